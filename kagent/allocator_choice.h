// SPDX-License-Identifier: MIT
/*
 * allocator_choice.h - whose malloc and free a process calls: the first that its
 * loader finds. One thread at a time.
 */
#ifndef KAGENT_ALLOCATOR_CHOICE_H
#define KAGENT_ALLOCATOR_CHOICE_H

#include "kagent/allocator.h"
#include "kagent/process_image.h"

/* The allocator's own file, the C++ runtime's operator new that calls it, and the C library's mmap(). */
#define ALLOCATOR_FILES 4

struct allocator_choice {
	struct allocator file[ALLOCATOR_FILES];
	size_t count;
	char name[4096];	/* of the first: as the process sees it */
};

/*
 * Of a process that runs. object: NULL, a path, or the name of a mapped file, without
 * directory; with or without lib, .so and what follows. 0 or -errno, and then *why is a
 * sentence that says what is in the way and what to do.
 */
int allocator_choose(struct process_image *p, const char *object, struct allocator_choice *out,
		     char *why, size_t why_size);

/* Of a program that is to be executed: its loader is asked what it will map. */
int allocator_choose_program(const char *program, const char *object,
			     struct allocator_choice *out, char *why, size_t why_size);

/* Is this file's own use of mmap() nobody's business: the C library, or the loader? */
bool allocator_is_system(const char *path);

/* PT_INTERP; empty for a static program. 0 or -errno. */
int allocator_interpreter(const char *program, char interp[4096]);

#endif

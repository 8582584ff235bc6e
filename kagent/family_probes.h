// SPDX-License-Identifier: MIT
/*
 * family_probes.h - which files of the processes that are recorded are probed: those with
 * the allocators that they call, each once, and their dynamic loaders, which say when
 * libraries are mapped. One thread at a time.
 */
#ifndef KAGENT_FAMILY_PROBES_H
#define KAGENT_FAMILY_PROBES_H

#include "kagent/heap_tracer.h"
#include "kagent/process_image.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct family_probes;

/* object: whose allocator, NULL: what the loader finds; kept, not copied. NULL: no memory. */
struct family_probes *family_probes_new(const char *object);
void family_probes_free(struct family_probes *f);	/* NULL is allowed */

/*
 * Chooses the first process's allocator; program: what it is about to execute, NULL: it
 * runs. 0, or -errno after a sentence in *why.
 */
int family_probes_choose(struct family_probes *f, struct process_image *p, const char *program,
			 char *why, size_t why_size);

/* Probes what was chosen. 0, or -errno after a sentence in *why. */
int family_probes_begin(struct family_probes *f, struct heap_tracer *t, struct process_image *p,
			pid_t pid, char *why, size_t why_size);

#define FAMILY_PROBES_LATER 1

/*
 * Probes what a program calls that a process has executed, in all processes (pids).
 * loaded: its libraries are mapped; if not and it has some, FAMILY_PROBES_LATER: its
 * loader will stop it once more. 0, or -errno after a sentence in *why.
 */
int family_probes_image(struct family_probes *f, struct process_image *p, bool loaded,
			const pid_t *pids, size_t count, char *why, size_t why_size);

/* Marks the modules whose own use of mmap() is no event: allocators, the C library. */
void family_probes_mark(const struct family_probes *f, struct process_image *p);

/* The file of the first process's allocator. */
const char *family_probes_name(const struct family_probes *f);

#endif

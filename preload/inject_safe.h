// SPDX-License-Identifier: MIT
/*
 * inject_safe.h - may a stopped thread be made to call the dynamic loader?
 *
 * Not while it is inside the allocator, the loader, thread creation, fork or
 * exit: it may hold a lock that the call needs, and nobody else could release
 * it. The thread's stack tells. Of the C library, part of every stack, only the
 * functions that take such locks count; those that it does not export are
 * recognized by lying between the allocator's exported ones, or by there being
 * no frame of the program below them.
 */
#ifndef PRELOAD_INJECT_SAFE_H
#define PRELOAD_INJECT_SAFE_H

#include "inject_image.h"

#include <sys/user.h>

struct safety;

enum safety_verdict {
	SAFE = 0,
	SAFE_UNLESS_HIDDEN,	/* nothing against it, but the stack could not be followed to its end */
	UNSAFE_ALLOCATOR,
	UNSAFE_LOADER,
	UNSAFE_LIBC,		/* thread creation, fork, exit, ... */
	UNSAFE_RECORDER,	/* libleak itself */
	UNSAFE_STACK,		/* too small, or it cannot be told whether it is; see inject_stack.h */
	UNSAFE_NO_PROGRAM,	/* a thread that is being made, ends, or is the C library's own */
};

/* `image` is kept until safety_free(). 0, -ENOMEM, or -ENOTSUP: no C library found. */
int safety_new(struct safety **out, const struct image *image, int mem);
void safety_free(struct safety *safety);

/* Judges a stopped thread by its registers and the memory of its process. */
enum safety_verdict safety_judge(const struct safety *safety, const struct user_regs_struct *regs);

/* What the thread was doing, in words. */
const char *safety_words(enum safety_verdict verdict);

/* The C library among the objects. */
const struct image_object *safety_libc(const struct safety *safety);

#endif

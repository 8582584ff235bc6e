// SPDX-License-Identifier: MIT
/*
 * inject_private.h - what the parts of inject.h share: inject.c (calls, and the
 * whole), inject_hold.c (finding a thread) and inject_load.c (loading a library).
 */
#ifndef PRELOAD_INJECT_PRIVATE_H
#define PRELOAD_INJECT_PRIVATE_H

#include "inject.h"

#include "inject_call.h"
#include "inject_image.h"
#include "inject_safe.h"
#include "inject_thread.h"

#include <stdbool.h>

struct inject {
	pid_t pid;
	int mem;
	int call_ms;			/* how long a call is waited for */
	bool filter;			/* the process has a seccomp filter */
	struct image *image;
	struct safety *safety;
	struct call_return ret;
	struct held_thread thread;
	bool holding;
	uint64_t stack, stack_size;	/* for the calls, 0: none yet */
	bool borrowed;			/* ... is not to be unmapped */
	uint64_t errno_addr;
	int32_t errno_value;
	uint64_t held_ns;
};

/* Looks at the process anew (image and safety): libraries come and go. 0 or -errno. */
int inject_look(struct inject *in, struct inject_why *why);

/* Waits until a thread is at a safe place, and holds it there: the errors of inject_open(). */
int inject_hold(struct inject *in, int timeout_ms, struct inject_why *why);

/* Calls a function of the process. After an error see in->holding. 0 or -errno. */
int inject_call(struct inject *in, uint64_t function, const uint64_t args[CALL_ARGS],
		uint64_t *result, struct inject_why *why);

/*
 * By syscall(3): the C library's functions of these names may be hooked, and
 * old ones lack some. A result of UINT64_MAX is a failure.
 */
int inject_system_call(struct inject *in, const uint64_t args[CALL_ARGS], uint64_t *result,
		       struct inject_why *why);

/*
 * Keeps errno for inject_close(): the loader changes it; functions called otherwise
 * are to leave it alone. 0 or -errno.
 */
int inject_save_errno(struct inject *in, struct inject_why *why);

/* Copies text to the scratch space; *addr is where it lies. 0 or -errno. */
int inject_put_text(struct inject *in, const char *text, uint64_t *addr, struct inject_why *why);

/* Address of a function of the C library, 0: it has none of that name. */
uint64_t inject_libc_function(const struct inject *in, const char *name);

#endif

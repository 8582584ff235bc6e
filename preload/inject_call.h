// SPDX-License-Identifier: MIT
/*
 * inject_call.h - makes a held thread call a function of its own process.
 *
 * The call looks like a signal handler to the thread: below its stack lies a
 * frame as the kernel builds one (struct rt_sigframe), and the function returns
 * into the C library's signal return. Should the tracer die in the middle, or
 * give up waiting, the thread finishes the call and restores itself.
 * No code is written into the process. Between calls the thread has the
 * registers it was found with.
 */
#ifndef PRELOAD_INJECT_CALL_H
#define PRELOAD_INJECT_CALL_H

#include "inject_image.h"
#include "inject_thread.h"

/* Places in the process's code that a call returns through. */
struct call_return {
	uint64_t restorer;	/* rt_sigreturn */
	uint64_t store;		/* stores rax at `displacement` from a register, pops, returns */
	int displacement;
	bool from_rbp;		/* else from rbx */
	unsigned popped;	/* bytes */
};

/* Looks for them in the code of `libc`, then of the other objects. 0, -ENOTSUP, -errno. */
int call_find_return(struct call_return *out, const struct image *image,
		     const struct image_object *libc, int mem);

#define CALL_ARGS	6

/*
 * Arguments in registers; the first on the stack, a seventh, is 0.
 *
 * Calls `function` on the stack that ends at `stack_top` (0: on the thread's
 * own) and waits for it. 0 and *result;
 *	-ETIMEDOUT	it still runs: the thread was let go and will restore itself
 *	-EFAULT		it faulted: the thread has its old registers again
 *	-ESRCH		the process ended meanwhile
 * After -ETIMEDOUT and -ESRCH the thread is no longer held.
 */
int thread_call(struct held_thread *t, int mem, const struct call_return *ret, uint64_t stack_top,
		uint64_t function, const uint64_t args[CALL_ARGS], int timeout_ms,
		uint64_t *result);

#endif

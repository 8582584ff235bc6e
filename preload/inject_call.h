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

struct call_spec {
	uint64_t function;
	uint64_t args[CALL_ARGS];	/* in registers; the first on the stack, a seventh, is 0 */
	uint64_t stack_top;		/* end of the stack to run on; 0: the thread's own */
	/*
	 * When the function has its answer it calls rt_sigprocmask(SIG_UNBLOCK) for
	 * SIGURG with a 64-bit mask that its answer, 64 bits, follows in memory. It
	 * need not return then. (It returns when nobody traces it any more.)
	 */
	bool tells;
	/*
	 * With tells: the thread's priority is raised as far as it goes, if that is
	 * allowed, and the function is to set it back before it tells: its second
	 * argument is 21 + the nice value that the thread had. (It does that also
	 * when nobody traces it any more.)
	 */
};

/*
 * Makes the call and waits for it. 0 and *result;
 *	-ETIMEDOUT	it still runs: the thread was let go and will restore itself
 *	-EFAULT		it faulted: the thread has its old registers again
 *	-ESRCH		the process ended meanwhile
 * After -ETIMEDOUT and -ESRCH the thread is no longer held.
 */
int thread_call(struct held_thread *t, int mem, const struct call_return *ret,
		const struct call_spec *spec, int timeout_ms, uint64_t *result);

#endif

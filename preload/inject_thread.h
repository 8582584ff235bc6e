// SPDX-License-Identifier: MIT
/*
 * inject_thread.h - holds one thread of another process, and lets it go on as
 * if nothing had been: registers, vector state, signal mask and an interrupted
 * system call included (ptrace(2), PTRACE_SEIZE).
 *
 * The calling thread becomes the tracer; all calls must come from it, with
 * SIGCHLD blocked. A thread that could not be stopped stays seized until the
 * tracer exits: inject from a process that ends afterwards.
 */
#ifndef PRELOAD_INJECT_THREAD_H
#define PRELOAD_INJECT_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

struct held_thread {
	pid_t pid, tid;
	struct user_regs_struct regs;	/* as found; orig_rax/rax say whether a call restarts */
	uint64_t mask;			/* blocked signals */
	unsigned char *xstate;		/* NT_X86_XSTATE: standard format */
	size_t xstate_size;
	uint64_t since_ns;		/* CLOCK_MONOTONIC when it stopped */
	bool filtered;			/* seccomp looks at the calls it is made to do */
	bool stop_again;		/* a stop signal was swallowed */
	uint64_t signals_again;		/* other signals swallowed, bit n-1 */
};

/*
 * Seizes and stops the thread, waiting at most `timeout_ms`. May be called again
 * for one that did not stop in time. `filter`: the process has a system call
 * filter (seccomp). 0;
 *	-ETIMEDOUT	it does not stop (uninterruptible sleep, vfork parent)
 *	-EAGAIN		it is stopped by job control
 *	-ENOTSUP	it uses a shadow stack
 *	-ESRCH		it has ended
 *	-EPERM, ...	of ptrace
 */
int thread_hold(struct held_thread *t, pid_t pid, pid_t tid, bool filter, int timeout_ms);

/*
 * Registers with which the thread can go on by itself, with no help of the
 * kernel's restart logic: an interrupted call is started again.
 */
struct user_regs_struct thread_resumable(const struct held_thread *t);

/* Was a sleep interrupted of which the kernel knows how much is left? */
bool thread_has_remaining_time(const struct held_thread *t);

/* An interrupted sleep will be started again for its whole time. */
void thread_forget_remaining_time(struct held_thread *t);

/*
 * Waits for the next stop of the thread; *status is waitpid's. 0, -ETIMEDOUT,
 * or -ESRCH when it has ended or become another program.
 */
int thread_wait(const struct held_thread *t, int timeout_ms, int *status);

/* The kind of stop. */
bool thread_stopped_by_event(int status);
bool thread_stopped_by_group(int status);

/* Lets the thread go as it was found and frees what is kept of it. */
void thread_release(struct held_thread *t);

/* Lets the thread go with the registers it has now. */
void thread_abandon(struct held_thread *t);

uint64_t monotonic_ns(void);

#endif

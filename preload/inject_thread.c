// SPDX-License-Identifier: MIT
/* inject_thread.c - see inject_thread.h */
#define _GNU_SOURCE 1
#include "inject_thread.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define XSTATE_MAX		(64u << 10)
#ifndef NT_X86_SHSTK
#define NT_X86_SHSTK		0x204
#endif
#define RESTART_SYSCALL_NR	219
#define SYSCALL_INSN_SIZE	2

/* <linux/errno.h> keeps these from user space; a tracer sees them. */
#define ERR_RESTARTSYS		512
#define ERR_RESTARTNOINTR	513
#define ERR_RESTARTNOHAND	514
#define ERR_RESTART_RESTARTBLOCK 516

uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

bool thread_stopped_by_event(int status)
{
	return WIFSTOPPED(status) && status >> 16 == PTRACE_EVENT_STOP;
}

bool thread_stopped_by_group(int status)
{
	return thread_stopped_by_event(status) && WSTOPSIG(status) != SIGTRAP;
}

int thread_wait(const struct held_thread *t, int timeout_ms, int *status)
{
	uint64_t deadline = monotonic_ns() + (uint64_t)timeout_ms * 1000000u;
	struct timespec nap = { .tv_nsec = 1000000 };
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	for (;;) {
		pid_t got = waitpid(t->tid, status, __WALL | WNOHANG);

		if (got < 0 && errno != EINTR)
			return -ESRCH;
		if (got > 0)
			break;
		if (monotonic_ns() >= deadline)
			return -ETIMEDOUT;
		sigtimedwait(&chld, NULL, &nap);
	}
	return WIFSTOPPED(*status) && *status >> 16 != PTRACE_EVENT_EXEC ? 0 : -ESRCH;
}

/*
 * Calls that return EINTR when they are interrupted even though no handler ran,
 * because a restart waits for the whole time-out anew (signal(7)). Nothing has
 * happened yet when they return it, so that they can be restarted once.
 */
static bool restartable_eintr(uint64_t nr)
{
	return nr == SYS_epoll_wait || nr == SYS_epoll_pwait || nr == 441 /* epoll_pwait2 */ ||
	       nr == SYS_semop || nr == SYS_semtimedop || nr == SYS_rt_sigtimedwait ||
	       nr == SYS_recvfrom || nr == SYS_recvmsg || nr == SYS_accept || nr == SYS_accept4;
}

struct user_regs_struct thread_resumable(const struct held_thread *t)
{
	struct user_regs_struct regs = t->regs;

	if ((int64_t)regs.orig_rax >= 0) {
		switch (-(int64_t)regs.rax) {
		case ERR_RESTARTSYS:
		case ERR_RESTARTNOINTR:
		case ERR_RESTARTNOHAND:
			regs.rax = regs.orig_rax;
			regs.rip -= SYSCALL_INSN_SIZE;
			break;
		case ERR_RESTART_RESTARTBLOCK:
			regs.rax = RESTART_SYSCALL_NR;
			regs.rip -= SYSCALL_INSN_SIZE;
			break;
		}
	}
	regs.orig_rax = UINT64_MAX;
	return regs;
}

bool thread_has_remaining_time(const struct held_thread *t)
{
	return (int64_t)t->regs.orig_rax >= 0 &&
	       t->regs.rax == (uint64_t)-ERR_RESTART_RESTARTBLOCK;
}

void thread_forget_remaining_time(struct held_thread *t)
{
	if (thread_has_remaining_time(t))
		t->regs.rax = (uint64_t)-ERR_RESTARTNOHAND;
}

static bool has_shadow_stack(pid_t tid)
{
	uint64_t ssp = 0;
	struct iovec io = { &ssp, sizeof(ssp) };

	return !ptrace(PTRACE_GETREGSET, tid, NT_X86_SHSTK, &io) && ssp;
}

static int read_xstate(struct held_thread *t)
{
	struct iovec io = { .iov_len = XSTATE_MAX };

	io.iov_base = t->xstate = malloc(XSTATE_MAX);
	if (!t->xstate)
		return -ENOMEM;
	if (ptrace(PTRACE_GETREGSET, t->tid, NT_X86_XSTATE, &io) < 0)
		return -errno;
	t->xstate_size = io.iov_len;
	return 0;
}

static int save_state(struct held_thread *t)
{
	if (ptrace(PTRACE_GETREGS, t->tid, NULL, &t->regs) < 0 ||
	    ptrace(PTRACE_GETSIGMASK, t->tid, sizeof(t->mask), &t->mask) < 0)
		return -errno;
	if (has_shadow_stack(t->tid))
		return -ENOTSUP;
	if ((int64_t)t->regs.orig_rax >= 0 && (int64_t)t->regs.rax == -EINTR &&
	    restartable_eintr(t->regs.orig_rax))
		t->regs.rax = (uint64_t)-ERR_RESTARTNOHAND;
	return read_xstate(t);
}

/* Signals that come before the stop are none of ours: they are delivered. */
static int wait_for_interrupt(struct held_thread *t, int timeout_ms)
{
	uint64_t deadline = monotonic_ns() + (uint64_t)timeout_ms * 1000000u;
	int status, err;

	for (;;) {
		int64_t left = (int64_t)(deadline - monotonic_ns()) / 1000000;

		err = thread_wait(t, left > 0 ? (int)left : 0, &status);
		if (err)
			return err;
		if (thread_stopped_by_group(status)) {
			ptrace(PTRACE_DETACH, t->tid, NULL, 0);
			return -EAGAIN;
		}
		if (thread_stopped_by_event(status))
			return 0;
		ptrace(PTRACE_CONT, t->tid, NULL, (long)WSTOPSIG(status));
	}
}

/*
 * A system call filter is suspended while the thread is held, where that is
 * allowed (CAP_SYS_ADMIN). -EALREADY: it is ours since an earlier attempt.
 */
static int seize(pid_t tid, bool filter, bool *filtered)
{
	unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC;

	*filtered = false;
	if (filter && !ptrace(PTRACE_SEIZE, tid, NULL, options | PTRACE_O_SUSPEND_SECCOMP))
		return 0;
	*filtered = filter;
	if (!ptrace(PTRACE_SEIZE, tid, NULL, options))
		return 0;
	return errno == EPERM && !ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) ? -EALREADY : -errno;
}

int thread_hold(struct held_thread *t, pid_t pid, pid_t tid, bool filter, int timeout_ms)
{
	struct held_thread held = { .pid = pid, .tid = tid };
	int err = seize(tid, filter, &held.filtered);

	if (err && err != -EALREADY)
		return err;
	if (!err && ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0)
		return -errno;
	err = wait_for_interrupt(&held, timeout_ms);
	if (err)
		return err;
	held.since_ns = monotonic_ns();
	err = save_state(&held);
	if (err) {
		thread_abandon(&held);
		return err;
	}
	*t = held;
	return 0;
}

/* Signals that were swallowed go to the process again, now that it is whole. */
static void repeat_signals(const struct held_thread *t)
{
	for (int sig = 1; sig < 64; sig++)
		if (t->signals_again >> (sig - 1) & 1)
			syscall(SYS_tgkill, t->pid, t->tid, sig);
	if (t->stop_again)
		kill(t->pid, SIGSTOP);
}

void thread_abandon(struct held_thread *t)
{
	ptrace(PTRACE_DETACH, t->tid, NULL, 0);
	repeat_signals(t);
	free(t->xstate);
	t->xstate = NULL;
}

void thread_release(struct held_thread *t)
{
	ptrace(PTRACE_SETREGS, t->tid, NULL, &t->regs);
	thread_abandon(t);
}

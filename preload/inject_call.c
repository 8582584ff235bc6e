// SPDX-License-Identifier: MIT
/* inject_call.c - see inject_call.h */
#define _GNU_SOURCE 1
#include "inject_call.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * What rt_sigreturn reads, from the kernel's arch/x86/include/uapi/asm
 * (ucontext.h, sigcontext.h); glibc's ucontext_t has another signal mask.
 */
struct kernel_sigcontext {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t di, si, bp, bx, dx, ax, cx, sp, ip, flags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
};
_Static_assert(sizeof(struct kernel_sigcontext) == 256, "kernel ABI");

struct kernel_ucontext {
	uint64_t flags, link;
	uint64_t stack_sp;
	uint32_t stack_flags, pad;
	uint64_t stack_size;
	struct kernel_sigcontext mc;
	uint64_t mask;
};
_Static_assert(sizeof(struct kernel_ucontext) == 304, "kernel ABI");

#define UC_FP_XSTATE		1u
#define UC_SIGCONTEXT_SS	2u
#define UC_STRICT_RESTORE_SS	4u
#define STACK_LEAVE_ALONE	4u	/* no valid mode: the alternate stack stays as it is */

#define FPX_SW_OFFSET		464	/* struct _fpx_sw_bytes within the legacy area */
#define FPX_MAGIC1		0x46505853u
#define FPX_MAGIC2		0x46505845u
#define XSAVE_HEADER		512
#define XFEATURE_TILES		(3ull << 17)

#define RED_ZONE		128
#define NICE_OFFSET		21
#define NICE_FIRST		(-20)
#define EFLAGS_CLEAR		(0x100u | 0x400u | 0x10000u)	/* TF, DF, RF */

/* The frame as it lies in the target's memory; xstate behind it on a 64-byte boundary. */
struct call_frame {
	uint64_t popped[10];		/* what the storing code pops, then the restorer */
	struct kernel_ucontext uc;
	uint64_t result;
};

/* ---- where a call returns to -------------------------------------------- */

static const unsigned char restorer_code[] = { /* mov $15, %rax; syscall */
	0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05
};

/* Length of "pop reg" or "add $n, %rsp" and the bytes they take off the stack; 0: neither. */
static size_t match_pop(const unsigned char *p, size_t left, unsigned *bytes)
{
	if (p[0] >= 0x58 && p[0] <= 0x5f && p[0] != 0x5c) {
		*bytes += 8;
		return 1;
	}
	if (left > 2 && p[0] == 0x41 && p[1] >= 0x58 && p[1] <= 0x5f) {
		*bytes += 8;
		return 2;
	}
	if (left > 4 && p[0] == 0x48 && p[1] == 0x83 && p[2] == 0xc4 && p[3] < 0x40 &&
	    !(p[3] & 7)) {
		*bytes += p[3];
		return 4;
	}
	return 0;
}

/* "mov %rax, disp8(%rbx or %rbp)", pops, "ret". */
static bool match_store(const unsigned char *p, size_t left, struct call_return *out)
{
	struct call_return r = { 0 };
	size_t at, n;

	if (left < 5 || p[0] != 0x48 || p[1] != 0x89 ||
	    (p[2] != 0x03 && p[2] != 0x43 && p[2] != 0x45))
		return false;
	r.from_rbp = p[2] == 0x45;
	r.displacement = p[2] == 0x03 ? 0 : (signed char)p[3];
	at = p[2] == 0x03 ? 3 : 4;
	while (at < left && (n = match_pop(p + at, left - at, &r.popped)))
		at += n;
	if (at >= left || p[at] != 0xc3 || !r.popped ||
	    r.popped + 8 > sizeof(((struct call_frame *)NULL)->popped))
		return false;
	*out = r;
	return true;
}

static int search_code(struct call_return *ret, const struct image_object *o, int mem)
{
	size_t len = o->text_end - o->text_start;
	unsigned char *code = len < (256u << 20) ? malloc(len + 1) : NULL, *hit;
	struct call_return store;
	int err = code ? image_read(mem, o->text_start, code, len) : -ENOMEM;

	if (!err && !ret->restorer) {
		hit = memmem(code, len, restorer_code, sizeof(restorer_code));
		if (hit)
			ret->restorer = o->text_start + (uint64_t)(hit - code);
	}
	for (size_t i = 0; !err && !ret->store && i < len; i++) {
		if (code[i] != 0x48 || !match_store(code + i, len - i, &store))
			continue;
		store.restorer = ret->restorer;
		store.store = o->text_start + i;
		*ret = store;
	}
	free(code);
	return err;
}

int call_find_return(struct call_return *out, const struct image *image,
		     const struct image_object *libc, int mem)
{
	struct call_return ret = { 0 };
	const struct image_object *o;
	int err = search_code(&ret, libc, mem);

	for (size_t n = 0; !ret.store && (o = image_object(image, n)); n++)
		if (o->path[0] == '/')
			search_code(&ret, o, mem);
	if (err)
		return err;
	if (!ret.restorer || !ret.store)
		return -ENOTSUP;
	*out = ret;
	return 0;
}

static uint64_t signal_bit(int sig)
{
	return 1ull << (sig - 1);
}

/* ---- the frame ----------------------------------------------------------- */

/*
 * How the end of a call is noticed: a signal that does nothing by default is sent
 * beforehand, and blocked. A function of ours unblocks it when its answer is there;
 * that of others is unblocked by the return from the "handler". But one that
 * interrupted a sleep must not return, for then the kernel forgets how long was
 * left: there every system call is watched until that return is tried, at the
 * price of two stops each.
 */
#define END_SIGNAL	SIGURG

/* One call: addresses of its parts in the target. */
struct call {
	uint64_t sp;		/* at the function's entry */
	uint64_t context;	/* rsp when rt_sigreturn is called */
	uint64_t result;
	bool watch;		/* every system call */
	bool tells;		/* see call_spec */
	uint64_t nice;		/* ... its second argument */
};

static void fill_context(struct kernel_ucontext *uc, const struct held_thread *t, uint64_t fpstate,
			 bool watch)
{
	const struct user_regs_struct r = thread_resumable(t);

	uc->flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	uc->stack_flags = STACK_LEAVE_ALONE;
	uc->mc = (struct kernel_sigcontext){
		.r8 = r.r8, .r9 = r.r9, .r10 = r.r10, .r11 = r.r11,
		.r12 = r.r12, .r13 = r.r13, .r14 = r.r14, .r15 = r.r15,
		.di = r.rdi, .si = r.rsi, .bp = r.rbp, .bx = r.rbx,
		.dx = r.rdx, .ax = r.rax, .cx = r.rcx, .sp = r.rsp,
		.ip = r.rip, .flags = r.eflags,
		.cs = (uint16_t)r.cs, .ss = (uint16_t)r.ss,
		.fpstate = fpstate,
	};
	uc->mask = watch ? t->mask : t->mask & ~signal_bit(END_SIGNAL);
}

/*
 * The size that the kernel accepts for this thread: large tile state counts
 * only for threads that may use it, which those that do show by having some.
 */
static size_t signal_xstate_size(const struct held_thread *t, uint64_t features)
{
	uint64_t in_use;
	size_t size = XSAVE_HEADER + 64;

	memcpy(&in_use, t->xstate + XSAVE_HEADER, sizeof(in_use));
	if (!(in_use & XFEATURE_TILES))
		features &= ~XFEATURE_TILES;
	for (unsigned i = 2; i < 63; i++) {
		unsigned bytes, offset, c, d;

		if (!(features >> i & 1))
			continue;
		if (!__get_cpuid_count(0xd, i, &bytes, &offset, &c, &d))
			return t->xstate_size;
		if (offset + bytes > size)
			size = offset + bytes;
	}
	return size < t->xstate_size ? size : t->xstate_size;
}

/* The regset is in the format of a signal frame but for the words that describe it. */
static size_t fill_xstate(unsigned char *out, const struct held_thread *t)
{
	uint32_t magic1 = FPX_MAGIC1, magic2 = FPX_MAGIC2, size32, extended;
	uint64_t features;
	size_t size;

	memcpy(out, t->xstate, t->xstate_size);
	memcpy(&features, t->xstate + FPX_SW_OFFSET, sizeof(features));	/* XCR0 */
	size = signal_xstate_size(t, features);
	size32 = (uint32_t)size;
	extended = size32 + 4;
	memset(out + FPX_SW_OFFSET, 0, 48);
	memcpy(out + FPX_SW_OFFSET, &magic1, 4);
	memcpy(out + FPX_SW_OFFSET + 4, &extended, 4);
	memcpy(out + FPX_SW_OFFSET + 8, &features, 8);
	memcpy(out + FPX_SW_OFFSET + 16, &size32, 4);
	memcpy(out + size, &magic2, 4);
	return size + 4;
}

static int write_frame(const struct held_thread *t, int mem, const struct call_return *ret,
		       uint64_t top, struct call *call)
{
	size_t room = t->xstate_size + 64;
	unsigned char *xstate = calloc(1, room);
	struct call_frame f = { 0 };
	uint64_t fpstate = (top - room) & ~63ull;
	uint64_t at = (fpstate - sizeof(f) - 64) & ~15ull;	/* of f */
	unsigned words = ret->popped / 8;
	uint64_t entry = at - 8;
	int err;

	if (!xstate)
		return -ENOMEM;
	/*
	 * entry: the storing code; then what it pops; the restorer; the context.
	 * The context slides down so that it follows the restorer directly.
	 */
	at += (words + 1) * 8;
	fill_context(&f.uc, t, fpstate, call->watch);
	f.popped[words] = ret->restorer;
	err = image_write(mem, fpstate, xstate, fill_xstate(xstate, t));
	if (!err)
		err = image_write(mem, entry, &ret->store, 8);
	if (!err)
		err = image_write(mem, entry + 8, f.popped, (words + 1) * 8);
	if (!err)
		err = image_write(mem, at, &f.uc, sizeof(f.uc) + sizeof(f.result));
	free(xstate);
	if (err)
		return err;
	call->sp = entry;
	call->context = at;
	call->result = at + sizeof(f.uc);
	return 0;
}

/* ---- the call ------------------------------------------------------------ */

static int go_on(const struct held_thread *t, const struct call *call)
{
	return ptrace(call->watch ? PTRACE_SYSCALL : PTRACE_CONT, t->tid, NULL, 0) < 0 ? -errno : 0;
}

/* As call_spec has it. */
static uint64_t own_nice(const struct held_thread *t)
{
	int nice;

	errno = 0;
	nice = getpriority(PRIO_PROCESS, (id_t)t->tid);
	return errno ? 0 : (uint64_t)(nice + NICE_OFFSET);
}

static int start_call(const struct held_thread *t, const struct call_return *ret,
		      const struct call *call, uint64_t function,
		      const uint64_t args[CALL_ARGS])
{
	/* Faults stay deliverable: the kernel would reset a blocked one's handler. */
	uint64_t faults = signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGILL) |
			  signal_bit(SIGFPE) | signal_bit(SIGTRAP) | signal_bit(SIGSYS);
	uint64_t mask = ~faults | t->mask;
	struct user_regs_struct r = t->regs;
	uint64_t base = call->result - (uint64_t)(int64_t)ret->displacement;

	r.rip = function;
	r.rsp = call->sp;
	r.rdi = args[0];
	r.rsi = call->tells ? call->nice : args[1];
	r.rdx = args[2];
	r.rcx = args[3];
	r.r8 = args[4];
	r.r9 = args[5];
	r.rax = 0;
	r.orig_rax = UINT64_MAX;
	r.eflags &= ~(unsigned long)EFLAGS_CLEAR;
	*(ret->from_rbp ? &r.rbp : &r.rbx) = base;
	/* In this order the thread can do without us after either step. */
	if (ptrace(PTRACE_SETREGS, t->tid, NULL, &r) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, t->tid, sizeof(mask), &mask) < 0)
		return -errno;
	if (call->nice)
		setpriority(PRIO_PROCESS, (id_t)t->tid, NICE_FIRST);
	if (!call->watch && syscall(SYS_tgkill, t->pid, t->tid, END_SIGNAL) < 0)
		return -errno;
	return go_on(t, call);
}

static bool at_return(const struct held_thread *t, const struct call *call)
{
	struct user_regs_struct r;

	return !ptrace(PTRACE_GETREGS, t->tid, NULL, &r) && r.orig_rax == SYS_rt_sigreturn &&
	       r.rsp == call->context;
}

/*
 * Stopped by the end signal: has the function said that its answer is there, or
 * returned? Then call->result is where the answer is. A function that says so
 * unblocks the signal with a mask that is followed by its answer.
 */
static bool has_ended(const struct held_thread *t, struct call *call)
{
	struct user_regs_struct r, then = thread_resumable(t);

	if (call->watch || ptrace(PTRACE_GETREGS, t->tid, NULL, &r))
		return false;
	if (call->tells && r.orig_rax == SYS_rt_sigprocmask && r.rdi == SIG_UNBLOCK && !r.rax) {
		call->result = r.rsi + sizeof(uint64_t);
		return true;
	}
	return r.rip == then.rip && r.rsp == then.rsp;
}

static bool is_fault(const struct held_thread *t, int sig)
{
	siginfo_t info;

	if (sig != SIGSEGV && sig != SIGBUS && sig != SIGILL && sig != SIGFPE && sig != SIGTRAP &&
	    sig != SIGSYS)
		return false;
	return !ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info) && info.si_code > 0;
}

/* A signal stop in the middle of the call: kept for later. */
static void keep_signal(struct held_thread *t, int sig)
{
	if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)
		t->stop_again = true;
	else
		t->signals_again |= 1ull << (sig - 1);
}

/* 0: the answer is there, and the thread stopped. */
static int await_answer(struct held_thread *t, struct call *call, int timeout_ms)
{
	uint64_t deadline = monotonic_ns() + (uint64_t)timeout_ms * 1000000u;

	for (;;) {
		int64_t left = (int64_t)(deadline - monotonic_ns()) / 1000000;
		int status, err = thread_wait(t, left > 0 ? (int)left : 0, &status);

		if (err)
			return err;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			if (at_return(t, call))
				return 0;
		} else if (!thread_stopped_by_event(status)) {
			if (WSTOPSIG(status) == END_SIGNAL && has_ended(t, call))
				return 0;
			if (is_fault(t, WSTOPSIG(status)))
				return -EFAULT;
			keep_signal(t, WSTOPSIG(status));
		}
		go_on(t, call);
	}
}

/* At a stop on the way to user space: the thread is as it was found. */
static int restore(const struct held_thread *t)
{
	struct iovec io = { t->xstate, t->xstate_size };

	if (ptrace(PTRACE_SETREGSET, t->tid, NT_X86_XSTATE, &io) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, t->tid, sizeof(t->mask), &t->mask) < 0 ||
	    ptrace(PTRACE_SETREGS, t->tid, NULL, &t->regs) < 0)
		return -errno;
	return 0;
}

/*
 * Puts the old registers in the place of the signal return that is about to run,
 * and brings the thread to an ordinary stop, from where the kernel's own restart
 * logic takes an interrupted system call up again. At every step the thread
 * could also go on without us.
 */
static int replace_return(struct held_thread *t)
{
	struct iovec io = { t->xstate, t->xstate_size };
	struct user_regs_struct r = thread_resumable(t);
	int status, err;

	if (ptrace(PTRACE_SETREGSET, t->tid, NT_X86_XSTATE, &io) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, t->tid, sizeof(t->mask), &t->mask) < 0 ||
	    ptrace(PTRACE_SETREGS, t->tid, NULL, &r) < 0 ||
	    ptrace(PTRACE_INTERRUPT, t->tid, NULL, NULL) < 0 ||
	    ptrace(PTRACE_CONT, t->tid, NULL, 0) < 0)
		return -errno;
	err = thread_wait(t, 1000, &status);
	if (!err && !thread_stopped_by_event(status))
		keep_signal(t, WSTOPSIG(status));
	return err;
}

/* The call goes on without us; the frame restores registers and mask at its end. */
static void leave_running(struct held_thread *t)
{
	int status;

	ptrace(PTRACE_INTERRUPT, t->tid, NULL, NULL);
	if (!thread_wait(t, 1000, &status))
		thread_abandon(t);
}

static int finish(struct held_thread *t, int mem, const struct call *call, uint64_t *result)
{
	uint64_t value;
	int err = image_read(mem, call->result, &value, sizeof(value));

	if (!err && call->watch)
		err = replace_return(t);
	if (!err)
		err = restore(t);
	if (!err)
		*result = value;
	return err;
}

int thread_call(struct held_thread *t, int mem, const struct call_return *ret,
		const struct call_spec *spec, int timeout_ms, uint64_t *result)
{
	uint64_t top = spec->stack_top ? spec->stack_top : t->regs.rsp - RED_ZONE;
	struct call call = { .tells = spec->tells, .nice = spec->tells ? own_nice(t) : 0 };
	int err;

	if (t->filtered)	/* a filter might kill for the call that replaces the return */
		thread_forget_remaining_time(t);
	call.watch = !spec->tells && thread_has_remaining_time(t);
	err = write_frame(t, mem, ret, top, &call);
	if (!err)
		err = start_call(t, ret, &call, spec->function, spec->args);
	if (err)
		return err;
	err = await_answer(t, &call, timeout_ms);
	if (err == -ETIMEDOUT)
		leave_running(t);
	if (err == -EFAULT) {
		restore(t);
		if (call.nice)
			setpriority(PRIO_PROCESS, (id_t)t->tid, (int)call.nice - NICE_OFFSET);
	}
	return err ? err : finish(t, mem, &call, result);
}

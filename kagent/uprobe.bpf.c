// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * uprobe.bpf.c - follows the allocations of processes through probes on their
 * allocator's functions: keeps their live blocks and the totals of their stacks.
 *
 * A call is remembered per thread and recorded when it returns, with the stack that
 * it returns to; a free is recorded when it is called, as the address may belong to
 * another thread right afterwards. What an allocator's function calls of the others
 * belongs to the outermost call. uprobes can be preempted: what takes more than one
 * step is built in the thread's own entry, never in memory of the CPU.
 */
#include <asm/ptrace.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "uprobe_maps.bpf.h"
#include "uprobe_stack.bpf.h"
#include "uprobe_blocks.bpf.h"
#include "uprobe_sample.bpf.h"
#include "uprobe_region.bpf.h"
#include "uprobe_process.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

static __always_inline void send_event(const struct ku_process *p, __u32 function, __u64 addr, __u64 size, __u64 old)
{
	struct ku_event *e;

	if (!cfg.trace || !state.on)
		return;
	e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		lose(p->image, KU_LOSS_RING);
		return;
	}
	e->time = bpf_ktime_get_ns();
	e->addr = addr;
	e->size = size;
	e->old_addr = old;
	e->tid = (__u32)bpf_get_current_pid_tgid();
	e->image = p->image;
	e->function = function;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);	/* whoever prints looks often */
}

/* ---- calls ----------------------------------------------------------------- */

static __always_inline int filtered(void)
{
	return cfg.min_size || cfg.max_size || state.means;
}

static __always_inline int unwanted(__u64 size)
{
	return size < cfg.min_size || (cfg.max_size && size > cfg.max_size);
}

static __always_inline void remember_name(__u32 tid, __u32 image)
{
	struct ku_name name = { .time = bpf_ktime_get_ns() };
	__u64 key = (__u64)image << 32 | tid;

	bpf_get_current_comm(name.comm, sizeof(name.comm));
	if (bpf_map_update_elem(&names, &key, &name, BPF_ANY))
		lose(image, KU_LOSS_NAMES);
}

static __always_inline struct ku_thread *this_thread(const struct ku_process *p, __u32 tid)
{
	struct ku_thread *t = bpf_map_lookup_elem(&threads, &tid);
	__u32 zero = 0;
	void *none;

	if (t)
		return t;
	none = bpf_map_lookup_elem(&empty, &zero);
	if (!none)
		return NULL;
	bpf_map_update_elem(&threads, &tid, none, BPF_NOEXIST);
	remember_name(tid, p->image);
	return bpf_map_lookup_elem(&threads, &tid);
}

/*
 * Is the call that was remembered still running, so that this one is a part of it? Its
 * return address has been replaced by that of the kernel's trampoline, the begin of a page.
 * Else it was left some other way (or the kernel did not follow it). A function that
 * ends in a jump to another one shares its slot.
 */
static __always_inline int is_nested(const struct ku_process *p, struct ku_thread *t, __u64 sp)
{
	__u64 slot = 0;

	if (!t->sp)
		return 0;
	if (sp <= t->sp && !bpf_probe_read_user(&slot, sizeof(slot), (void *)t->sp) && slot &&
	    slot != t->back && !(slot & 4095))
		return 1;
	t->sp = 0;
	lose(p->image, KU_LOSS_MISSED_RETURN);
	return 0;
}

static __always_inline __u64 product(__u64 n, __u64 size)
{
	__u64 high = (n >> 32) * (size & 0xffffffff) + (size >> 32) * (n & 0xffffffff);

	if ((n >> 32 && size >> 32) || high >> 32)
		return ~0ull;	/* the allocator will refuse it */
	return n * size;
}

static __always_inline __u64 size_asked(struct pt_regs *ctx, __u32 function)
{
	switch (function) {
	case KU_CALLOC:
		return product(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx));
	case KU_REALLOC:
	case KU_MEMALIGN:
	case KU_ALIGNED_ALLOC:
		return PT_REGS_PARM2(ctx);
	case KU_REALLOCARRAY:
		return product(PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx));
	case KU_POSIX_MEMALIGN:
		return PT_REGS_PARM3(ctx);
	default:
		return PT_REGS_PARM1(ctx);
	}
}

static __always_inline int is_realloc(__u32 function)
{
	return function == KU_REALLOC || function == KU_REALLOCARRAY;
}

/* 1: its return is of no interest. */
static __always_inline int on_call(struct pt_regs *ctx, __u32 function)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u64 size = size_asked(ctx, function), old = 0;
	struct ku_process *p = this_process();
	struct ku_thread *t;
	int pass_over;

	if (!p || !p->on || !state.on)
		return 1;
	if (function >= KU_LOADED) {
		on_loaded(p, function);
		return 1;
	}
	hold_at_call(p);
	make_used(p);
	if (is_realloc(function))
		old = PT_REGS_PARM1(ctx);
	/* malloc() is what others are made of: it makes no call that would have to be hidden. */
	if (function == KU_MALLOC && unwanted(size))
		return 1;
	t = this_thread(p, tid);
	if (!t) {
		lose(p->image, KU_LOSS_THREADS);
		return 1;
	}
	if (is_nested(p, t, PT_REGS_SP(ctx)))
		return 1;
	if (is_region(function))
		return on_region_call(ctx, p, t, function);
	pass_over = !old && (unwanted(size) || !chosen(p, t, size, &t->chosen_by));
	if (pass_over && function == KU_MALLOC)
		return 1;
	t->size = size;
	t->out = PT_REGS_PARM1(ctx);
	t->passed_over = pass_over;
	t->function = function;
	t->old_addr = old;
	t->old.time = 0;
	if (old && !take_block(p, old, bpf_ktime_get_ns(), &t->old))
		t->old.time = 0;
	bpf_probe_read_user(&t->back, sizeof(t->back), (void *)PT_REGS_SP(ctx));
	t->sp = PT_REGS_SP(ctx);
	return 0;
}

/* The old block of a realloc() that has returned `addr`; 1: nothing was allocated. */
static __always_inline int end_realloc(const struct ku_process *p, struct ku_thread *t,
				       __u64 addr, __u64 now)
{
	if (!addr && t->size) {
		if (t->old.time)
			keep_block(p, t->old_addr, &t->old);
		return 1;
	}
	if (t->old.time)
		leave_site(&t->old, now);
	else if (p->parent)
		mark_gone(p, t->old_addr, now);
	return !addr || unwanted(t->size) || !chosen(p, t, t->size, &t->chosen_by);
}

static __always_inline void obtained(struct pt_regs *ctx, const struct ku_process *p,
				     struct ku_thread *t, __u64 addr, __u32 function)
{
	struct ku_block b = { .time = bpf_ktime_get_ns(), .size = t->size,
			      .tid = (__u32)bpf_get_current_pid_tgid() };

	if (t->old_addr && end_realloc(p, t, addr, b.time)) {
		if (!addr && !t->size)
			send_event(p, function, 0, 0, t->old_addr);
		return;
	}
	if (!addr)
		return;
	b.mean = t->chosen_by;
	b.weight = weight_of(b.size, b.mean);
	b.site = enter_site(ctx, t, p->image, &b);
	keep_block(p, addr, &b);
	send_event(p, function, addr, b.size, t->old_addr);
}

static __always_inline void trace_region(const struct ku_process *p, const struct ku_thread *t,
					 __u64 addr)
{
	if (failed(t->function, addr) || t->function == KU_MPROTECT)
		return;
	if (t->function == KU_MUNMAP)
		send_event(p, KU_MUNMAP, t->old_addr, t->old_size, 0);
	else
		send_event(p, t->function, addr, t->size, t->function == KU_MREMAP ? t->old_addr : 0);
}

static __always_inline void on_return(struct pt_regs *ctx)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct ku_thread *t = bpf_map_lookup_elem(&threads, &tid);
	struct ku_process *p;
	__u64 addr = PT_REGS_RC(ctx);

	/* The return of another call than the one that is remembered: a part of it. */
	if (!t || !t->sp || PT_REGS_SP(ctx) != t->sp + sizeof(__u64))
		return;
	t->sp = 0;
	p = this_process();
	if (t->passed_over || !p)
		return;
	if (is_region(t->function)) {
		on_region_return(ctx, p, t, addr);
		trace_region(p, t, addr);
		return;
	}
	if (t->function == KU_POSIX_MEMALIGN) {
		if ((__u32)addr)
			return;
		if (bpf_probe_read_user(&addr, sizeof(addr), (void *)t->out)) {
			lose(p->image, KU_LOSS_READ);
			return;
		}
	}
	obtained(ctx, p, t, addr, t->function);
}

/* Does the allocator itself free it, which the current realloc() was called for? */
static __always_inline int is_in_realloc(__u64 addr)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct ku_thread *t = bpf_map_lookup_elem(&threads, &tid);

	return t && t->sp && t->old_addr == addr;
}

/*
 * A block from before, or one that is none: glibc frees what a thread has cached when it
 * ends, a second time. That is all there is where everything was recorded.
 */
static __always_inline void unmatched(const struct ku_process *p, __u32 function, __u64 addr,
				      __u64 now)
{
	if (filtered() || !p->fresh)
		send_event(p, function, addr, 0, 0);
	if (p->parent)
		mark_gone(p, addr, now);
	else if (!filtered())
		lose(p->image, KU_LOSS_UNMATCHED);
}

static __always_inline int free_call(struct pt_regs *ctx, __u32 function)
{
	__u64 addr = PT_REGS_PARM1(ctx), now;
	struct ku_process *p;
	struct ku_block b;

	p = addr ? this_process() : NULL;
	if (!p)
		return 1;
	if (p->on)
		make_used(p);
	now = bpf_ktime_get_ns();
	if (take_block(p, addr, now, &b)) {
		leave_site(&b, now);
		send_event(p, function, addr, 0, 0);
	} else if (p->on && state.on && !is_in_realloc(addr)) {
		unmatched(p, function, addr, now);
	}
	return 1;
}

/* ---- the probes ------------------------------------------------------------ */

static __always_inline __u32 function_here(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u32 place = (__u32)(cookie % KU_TABLES * KU_PAGE + PT_REGS_IP(ctx) % KU_PAGE);
	__u32 *function;

	if (!cfg.by_place)
		return (__u32)cookie;
	function = bpf_map_lookup_elem(&functions, &place);
	return function ? *function : 0;
}

SEC("uprobe")
int on_free(struct pt_regs *ctx)
{
	free_call(ctx, function_here(ctx));
	return 0;
}

/* Call and return, where the kernel has such probes (6.13): 1 spares the return. */
SEC("uprobe")
int on_session(struct pt_regs *ctx)
{
	if (PT_REGS_IP(ctx) == bpf_get_func_ip(ctx))
		return on_call(ctx, function_here(ctx));
	on_return(ctx);
	return 0;
}

SEC("uprobe")
int on_enter(struct pt_regs *ctx)
{
	__u32 function = function_here(ctx);

	if (function == KU_FREE || function == KU_DELETE)
		free_call(ctx, function);
	else
		on_call(ctx, function);
	return 0;
}

SEC("uretprobe")
int on_leave(struct pt_regs *ctx)
{
	on_return(ctx);
	return 0;
}

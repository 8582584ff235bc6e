// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * uprobe.bpf.c - follows the allocations of one process through probes on its
 * allocator's functions: keeps its live blocks and the totals of their stacks.
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

#include "kernel_types.h"
#include "site_totals.bpf.h"
#include "uprobe_events.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define EEXIST 17
#define SIGSTOP 19
#define FRAME_MAX (1u << 23)	/* bytes between two frames: more is no frame */

const volatile struct ku_config cfg = {};
struct ku_state state = {};

/* Sizes are set by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct ku_block);
} live SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct ku_site);
} sites SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct ku_thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct ku_name);
} names SEC(".maps");

/* A new entry of the two maps above, too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ku_thread);
} empty SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KU_LOSS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} losses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

static __always_inline void lose(__u32 cause)
{
	__u64 *loss = bpf_map_lookup_elem(&losses, &cause);

	if (loss)
		__sync_fetch_and_add(loss, 1);
}

/* Code and how it is unwound; one half is filled while the other one is in use. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * KU_MAX_OBJECTS);
	__type(key, __u32);
	__type(value, struct ku_object);
} objects SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ku_row);
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << KU_CACHE_BITS);
	__type(key, __u32);
	__type(value, __u64);
} known_rows SEC(".maps");

/* ---- stacks ------------------------------------------------------------------ */

struct walk {
	struct ku_thread *t;
	__u64 ip, sp, bp, hash;
	__u64 from;		/* where t->stack is from, 0: nowhere */
	__u32 depth, flags;
};

/* Reads cost the same for one word and for some hundred. */
static __always_inline int read_word(struct walk *w, __u64 *word, __u64 addr)
{
	__u64 offset = addr - w->from;

	if (!w->from || offset > sizeof(w->t->stack) - sizeof(*word) || offset & 7) {
		w->from = 0;
		/* (at the end of the stack there is less) */
		if (bpf_probe_read_user(w->t->stack, sizeof(w->t->stack), (void *)addr))
			return bpf_probe_read_user(word, sizeof(*word), (void *)addr);
		w->from = addr;
		offset = 0;
	}
	*word = w->t->stack[offset / sizeof(*word) % KU_STACK_WORDS];
	return 0;
}

static __always_inline const struct ku_object *find_object(__u64 addr)
{
	__u32 set = state.objects, half = set & KU_SECOND_HALF ? KU_MAX_OBJECTS : 0;
	__u32 low = 0, high = set & ~KU_SECOND_HALF, i;
	const struct ku_object *o = NULL;

	for (i = 0; i < 10; i++) {
		__u32 mid = (low + high) / 2, key = half + mid;

		if (low >= high)
			break;
		o = bpf_map_lookup_elem(&objects, &key);
		if (!o)
			return NULL;
		if (addr < o->start)
			high = mid;
		else if (addr >= o->end)
			low = mid + 1;
		else
			return o;
	}
	return NULL;
}

/* The last row of the object that begins at or before pc. */
static __always_inline const struct ku_row *find_row(const struct ku_object *o, __u32 pc)
{
	__u32 low = o->first, high = low + o->count, i;
	const struct ku_row *row = NULL, *found = NULL;

	for (i = 0; i < 25; i++) {
		__u32 mid = low + (high - low) / 2;

		if (low >= high)
			break;
		row = bpf_map_lookup_elem(&rows, &mid);
		if (!row)
			return NULL;
		if (row->pc <= pc) {
			found = row;
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return found;
}

/* cfa and bp of the row for a return address, as one word. */
static __noinline __u32 search_row(__u64 ip)
{
	const struct ku_object *o = find_object(ip - 1);
	const struct ku_row *row = o ? find_row(o, (__u32)(ip - 1 - o->start)) : NULL;

	return row ? row->cfa | (__u32)(__u16)row->bp << 16 : KU_CFA_UNKNOWN;
}

static __always_inline __u32 row_of(__u64 ip)
{
	__u32 key = ip & ((1 << KU_CACHE_BITS) - 1), row;
	__u64 *known = bpf_map_lookup_elem(&known_rows, &key), is;

	if (!known)
		return KU_CFA_UNKNOWN;
	is = *(volatile __u64 *)known;
	if (is >> 32 == ip >> KU_CACHE_BITS)
		return (__u32)is;
	row = search_row(ip);
	*(volatile __u64 *)known = ip >> KU_CACHE_BITS << 32 | row;
	return row;
}

/* The caller of a function that keeps a frame pointer. The stack grows towards lower addresses. */
static __always_inline int step_by_pointer(struct walk *w)
{
	__u64 bp = w->bp;

	if (bp < w->sp || bp - w->sp > FRAME_MAX || bp & 7 || read_word(w, &w->bp, bp) ||
	    read_word(w, &w->ip, bp + 8))
		return 1;
	w->sp = bp + 16;
	return w->ip < 4096;
}

static __always_inline int step_by_row(struct walk *w, __u32 row)
{
	__u64 cfa = (row & KU_CFA_RBP ? w->bp : w->sp) + (row & 0xfff8);
	__s64 bp = (__s16)(row >> 16);

	if (cfa <= w->sp || cfa - w->sp > FRAME_MAX || read_word(w, &w->ip, cfa - 8))
		return 1;
	if (bp && read_word(w, &w->bp, cfa + bp))
		return 1;
	w->sp = cfa;
	return w->ip < 4096;
}

/* 1: there is no further frame. */
static __always_inline int step(struct walk *w)
{
	__u32 row = cfg.rows ? row_of(w->ip) : KU_CFA_UNKNOWN;

	if ((row & 0xffff) == KU_CFA_UNKNOWN)
		return step_by_pointer(w);
	if ((row & 0xffff) != KU_CFA_OUTERMOST)
		return step_by_row(w, row);
	w->flags |= KU_SITE_WHOLE;
	return 1;
}

/* Takes frame number i; 1: it was the last one. */
static __always_inline int take_frame(__u32 i, struct walk *w)
{
	if (i >= KU_MAX_DEPTH || i >= cfg.depth) {
		w->flags |= KU_SITE_CUT;
		w->hash = mix(w->hash, ~0ull);	/* another site than one that ends here */
		return 1;
	}
	w->t->ip[i] = w->ip;
	w->hash = mix(w->hash, w->ip);
	w->depth = i + 1;
	return step(w);
}

static long take_frame_in_loop(__u32 i, void *arg)
{
	return take_frame(i, arg);
}

/* The return addresses that ctx's registers lead to, into t->ip. */
static __always_inline void take_stack(struct pt_regs *ctx, struct walk *w)
{
	__u32 i;

	w->ip = PT_REGS_IP(ctx);
	w->sp = PT_REGS_SP(ctx);
	w->bp = PT_REGS_FP(ctx);
	if (cfg.rows) {
		bpf_loop(KU_MAX_DEPTH + 1, take_frame_in_loop, w, 0);
		return;
	}
	for (i = 0; i <= KU_MAX_DEPTH; i++)
		if (take_frame(i, w))
			return;
}

/* ---- sites ----------------------------------------------------------------- */

static __always_inline struct ku_site *new_site(const struct walk *w, __u64 now)
{
	__u32 zero = 0, i;
	struct ku_site *site;
	void *none = bpf_map_lookup_elem(&empty, &zero);
	long err;

	_Static_assert(sizeof(struct ku_site) <= sizeof(struct ku_thread), "all zero");

	if (!none)
		return NULL;
	err = bpf_map_update_elem(&sites, &w->hash, none, BPF_NOEXIST);
	site = bpf_map_lookup_elem(&sites, &w->hash);
	if (!site)
		return NULL;
	/* Another thread may be here, too, and writes the same. */
	for (i = 0; i < KU_MAX_DEPTH; i++) {
		if (i >= w->depth)
			break;
		site->ip[i] = w->t->ip[i];
	}
	if (!err) {
		site->first_time = now;
		if (w->flags & KU_SITE_CUT)
			lose(KU_LOSS_CUT);
	}
	site->flags = w->flags;
	site->depth = w->depth;
	return site;
}

/* Counts the allocation at its site and returns the site's key, 0: none. */
static __always_inline __u64 enter_site(struct pt_regs *ctx, struct ku_thread *t, __u64 now)
{
	struct walk w = { .t = t, .hash = 1 };
	struct ku_site *site;

	take_stack(ctx, &w);
	site = bpf_map_lookup_elem(&sites, &w.hash);
	if (!site)
		site = new_site(&w, now);
	if (!site) {
		lose(KU_LOSS_SITES);
		return 0;
	}
	totals_alloc(&site->totals, t->size);
	return w.hash;
}

static __always_inline void leave_site(const struct ku_block *b, __u64 now)
{
	struct ku_site *site = bpf_map_lookup_elem(&sites, &b->site);

	if (site)
		totals_free(&site->totals, b->size,
			    now > b->time ? (now - b->time) >> KU_TICK_SHIFT : 0);
}

/* ---- blocks ---------------------------------------------------------------- */

static __always_inline void send_event(__u32 function, __u64 addr, __u64 size, __u64 old)
{
	struct ku_event *e;

	if (!cfg.trace)
		return;
	e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		lose(KU_LOSS_RING);
		return;
	}
	e->time = bpf_ktime_get_ns();
	e->addr = addr;
	e->size = size;
	e->old_addr = old;
	e->tid = (__u32)bpf_get_current_pid_tgid();
	e->function = function;
	bpf_ringbuf_submit(e, 0);
}

static __always_inline void keep_block(__u64 addr, const struct ku_block *b)
{
	struct ku_block *old;
	long err = bpf_map_update_elem(&live, &addr, b, BPF_NOEXIST);

	if (err == -EEXIST) {
		/* The address is in use again though no free was seen: the old one is gone. */
		old = bpf_map_lookup_elem(&live, &addr);
		if (old)
			leave_site(old, b->time);
		lose(KU_LOSS_MISSED_FREE);
		err = bpf_map_update_elem(&live, &addr, b, BPF_ANY);
	}
	if (err) {
		lose(KU_LOSS_BLOCKS);
		leave_site(b, b->time);
	}
}

/* Takes a block out of the live ones; 0: it was none of them. */
static __always_inline int take_block(__u64 addr, struct ku_block *taken)
{
	struct ku_block *b = bpf_map_lookup_elem(&live, &addr);

	if (!b)
		return 0;
	*taken = *b;
	return !bpf_map_delete_elem(&live, &addr);
}

/* ---- calls ----------------------------------------------------------------- */

static __always_inline int filtered(void)
{
	return cfg.min_size || cfg.max_size || cfg.sample;
}

static __always_inline int unwanted(__u64 size)
{
	return size < cfg.min_size || (cfg.max_size && size > cfg.max_size);
}

static __always_inline int sampled_out(void)
{
	if (!cfg.sample || bpf_get_prandom_u32() % cfg.sample == 0)
		return 0;
	lose(KU_LOSS_SAMPLED_OUT);
	return 1;
}

static __always_inline void remember_name(__u32 tid)
{
	struct ku_name name = { .time = bpf_ktime_get_ns() };

	bpf_get_current_comm(name.comm, sizeof(name.comm));
	if (bpf_map_update_elem(&names, &tid, &name, BPF_ANY))
		lose(KU_LOSS_NAMES);
}

static __always_inline struct ku_thread *this_thread(__u32 tid)
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
	remember_name(tid);
	return bpf_map_lookup_elem(&threads, &tid);
}

/*
 * Is the call that was remembered still running, so that this one is a part of it? Its
 * return address has been replaced by that of the kernel's trampoline, the begin of a page.
 * Else it was left some other way (or the kernel did not follow it). A function that
 * ends in a jump to another one shares its slot.
 */
static __always_inline int is_nested(struct ku_thread *t, __u64 sp)
{
	__u64 slot = 0;

	if (!t->sp)
		return 0;
	if (sp <= t->sp && !bpf_probe_read_user(&slot, sizeof(slot), (void *)t->sp) && slot &&
	    slot != t->back && !(slot & 4095))
		return 1;
	t->sp = 0;
	lose(KU_LOSS_MISSED_RETURN);
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
	struct ku_thread *t;
	int pass_over;

	if (is_realloc(function))
		old = PT_REGS_PARM1(ctx);
	pass_over = !old && (unwanted(size) || sampled_out());
	/* malloc() is what others are made of: it makes no call that would have to be hidden. */
	if (!state.on || (pass_over && function == KU_MALLOC))
		return 1;
	t = this_thread(tid);
	if (!t) {
		lose(KU_LOSS_THREADS);
		return 1;
	}
	if (cfg.await_exec && !state.held) {
		state.held = 1;
		bpf_send_signal(SIGSTOP);
	}
	if (is_nested(t, PT_REGS_SP(ctx)))
		return 1;
	t->size = size;
	t->out = PT_REGS_PARM1(ctx);
	t->passed_over = pass_over;
	t->function = function;
	t->old_addr = old;
	t->old.time = 0;
	if (old && !take_block(old, &t->old))
		t->old.time = 0;
	bpf_probe_read_user(&t->back, sizeof(t->back), (void *)PT_REGS_SP(ctx));
	t->sp = PT_REGS_SP(ctx);
	return 0;
}

/* The old block of a realloc() that has returned `addr`; 1: nothing was allocated. */
static __always_inline int end_realloc(struct ku_thread *t, __u64 addr, __u64 now)
{
	if (!addr && t->size) {
		if (t->old.time)
			keep_block(t->old_addr, &t->old);
		return 1;
	}
	if (t->old.time)
		leave_site(&t->old, now);
	return !addr || unwanted(t->size) || sampled_out();
}

static __always_inline void obtained(struct pt_regs *ctx, struct ku_thread *t, __u64 addr,
				     __u32 function)
{
	struct ku_block b = { .time = bpf_ktime_get_ns(), .size = t->size,
			      .tid = (__u32)bpf_get_current_pid_tgid() };

	if (t->old_addr && end_realloc(t, addr, b.time))
		return;
	if (!addr)
		return;
	b.site = enter_site(ctx, t, b.time);
	keep_block(addr, &b);
	send_event(function, addr, b.size, t->old_addr);
}

static __always_inline void on_return(struct pt_regs *ctx)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct ku_thread *t = bpf_map_lookup_elem(&threads, &tid);
	__u64 addr = PT_REGS_RC(ctx);

	/* The return of another call than the one that is remembered: a part of it. */
	if (!t || !t->sp || PT_REGS_SP(ctx) != t->sp + sizeof(__u64))
		return;
	t->sp = 0;
	if (t->passed_over)
		return;
	if (t->function == KU_POSIX_MEMALIGN) {
		if ((__u32)addr)
			return;
		if (bpf_probe_read_user(&addr, sizeof(addr), (void *)t->out)) {
			lose(KU_LOSS_READ);
			return;
		}
	}
	obtained(ctx, t, addr, t->function);
}

/* A free that says nothing about what is recorded: a realloc()'s own, or one of a block from before. */
static __always_inline void unmatched(__u64 addr)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct ku_thread *t = bpf_map_lookup_elem(&threads, &tid);

	if (state.on && !filtered() && !(t && t->sp && t->old_addr == addr))
		lose(KU_LOSS_UNMATCHED);
}

/* ---- the probes ------------------------------------------------------------ */

SEC("uprobe")
int on_free(struct pt_regs *ctx)
{
	__u64 addr = PT_REGS_PARM1(ctx);
	struct ku_block b;

	if (!addr)
		return 0;
	if (!take_block(addr, &b)) {
		unmatched(addr);
		return 0;
	}
	leave_site(&b, bpf_ktime_get_ns());
	send_event(KU_FREE, addr, b.size, 0);
	return 0;
}

/* Call and return, where the kernel has such probes (6.13): 1 spares the return. */
SEC("uprobe")
int on_session(struct pt_regs *ctx)
{
	__u32 function = (__u32)bpf_get_attach_cookie(ctx);

	if (PT_REGS_IP(ctx) == bpf_get_func_ip(ctx))
		return on_call(ctx, function);
	on_return(ctx);
	return 0;
}

SEC("uprobe")
int on_enter(struct pt_regs *ctx)
{
	on_call(ctx, (__u32)bpf_get_attach_cookie(ctx));
	return 0;
}

SEC("uretprobe")
int on_leave(struct pt_regs *ctx)
{
	on_return(ctx);
	return 0;
}

/* ---- the process ----------------------------------------------------------- */

/* An allocator's call that was interrupted for good leaves nothing behind. */
SEC("raw_tp/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&threads, &tid);
	return 0;
}

/* Another program, another heap. */
SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct bpf_pidns_info id = {};
	struct mm_struct *mm;

	if (bpf_get_ns_current_pid_tgid(cfg.ns_dev, cfg.ns_ino, &id, sizeof(id)) ||
	    id.tgid != cfg.pid)
		return 0;
	state.execs++;
	mm = BPF_CORE_READ(task, mm);
	state.start_code = BPF_CORE_READ(mm, start_code);
	state.on = cfg.await_exec && state.execs == 1;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * uprobe_stack.bpf.h - the stack of a user-space thread, by rows of call frame
 * information, or, where there are none, by frame pointers (BPF code).
 */
#ifndef KAGENT_UPROBE_STACK_BPF_H
#define KAGENT_UPROBE_STACK_BPF_H

#include "numbers.bpf.h"
#include "uprobe_maps.bpf.h"

#define FRAME_MAX (1u << 23)	/* bytes between two frames: more is no frame */

struct walk {
	struct ku_thread *t;
	__u64 layout;
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

static __always_inline const struct ku_object *find_object(__u64 layout, __u64 addr)
{
	__u32 low = KU_LAYOUT_FIRST(layout), high = low + KU_LAYOUT_COUNT(layout), i;
	const struct ku_object *o = NULL;

	for (i = 0; i < 16; i++) {
		__u32 mid = (low + high) / 2;

		if (low >= high)
			break;
		o = bpf_map_lookup_elem(&objects, &mid);
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
static __noinline __u32 search_row(__u64 layout, __u64 ip)
{
	const struct ku_object *o = find_object(layout, ip - 1);
	const struct ku_row *row = o ? find_row(o, (__u32)(ip - 1 - o->start)) : NULL;

	return row ? row->cfa | (__u32)(__u16)row->bp << 16 : KU_CFA_UNKNOWN;
}

/* Both words name the owner: a row that another thread is just replacing is not taken. */
static __always_inline __u32 row_of(__u64 layout, __u64 ip)
{
	__u64 whose = mix(ip, KU_LAYOUT_NUMBER(layout) << 47), check = whose << 32, is;
	__u32 key = whose >> (64 - KU_CACHE_BITS), row;
	volatile struct ku_known_row *known = bpf_map_lookup_elem(&known_rows, &key);

	if (!known)
		return KU_CFA_UNKNOWN;
	is = known->row;
	if (known->whose == whose && is >> 32 == check >> 32)
		return (__u32)is;
	row = search_row(layout, ip);
	known->row = check | row;
	known->whose = whose;
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
	__u32 row = cfg.rows ? row_of(w->layout, w->ip) : KU_CFA_UNKNOWN;

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

#endif

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * uprobe_blocks.bpf.h - live blocks, and the totals of the stacks that they come from
 * (BPF code).
 *
 * What a forked child has inherited is not copied here: user space does that, from the
 * parent's blocks. Those that the parent frees before it came to that are kept aside as
 * heirlooms. In the child a free of one leaves a mark in its place.
 */
#ifndef KAGENT_UPROBE_BLOCKS_BPF_H
#define KAGENT_UPROBE_BLOCKS_BPF_H

#include "site_totals.bpf.h"
#include "uprobe_maps.bpf.h"
#include "uprobe_stack.bpf.h"

#define EEXIST 17

/* ---- sites ----------------------------------------------------------------- */

static __always_inline struct ku_site *new_site(const struct walk *w, __u32 image, __u64 now)
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
			lose(image, KU_LOSS_CUT);
	}
	site->image = image;
	site->flags = w->flags;
	site->depth = w->depth;
	return site;
}

static __always_inline void weigh_alloc(struct ku_site *site, const struct ku_block *b)
{
	__u64 bytes = b->weight * b->size >> 8;
	__s64 live_bytes;

	__sync_fetch_and_add(&site->weight_allocs, b->weight);
	__sync_fetch_and_add(&site->weight_alloc_bytes, bytes);
	live_bytes = __sync_fetch_and_add(&site->weight_live, bytes) + bytes;
	if (live_bytes > site->weight_peak)
		site->weight_peak = live_bytes;
}

static __always_inline void weigh_free(struct ku_site *site, const struct ku_block *b)
{
	__u64 bytes = b->weight * b->size >> 8;

	__sync_fetch_and_add(&site->weight_frees, b->weight);
	__sync_fetch_and_add(&site->weight_free_bytes, bytes);
	__sync_fetch_and_add(&site->weight_live, -(__s64)bytes);
}

static __always_inline __u64 layout_of(__u32 image)
{
	__u64 *layout = bpf_map_lookup_elem(&layouts, &image);

	return layout ? *(volatile __u64 *)layout : 0;
}

/* The site of the stack that ctx's registers lead to; its key, 0: none. */
static __always_inline __u64 find_site(struct pt_regs *ctx, struct ku_thread *t, __u32 image,
				       __u64 now, struct ku_site **site)
{
	struct walk w = { .t = t, .hash = mix(1, image), .layout = layout_of(image) };

	take_stack(ctx, &w);
	*site = bpf_map_lookup_elem(&sites, &w.hash);
	if (!*site)
		*site = new_site(&w, image, now);
	if (*site)
		return w.hash;
	lose(image, KU_LOSS_SITES);
	return 0;
}

/* Counts the allocation at its site and returns the site's key, 0: none. */
static __always_inline __u64 enter_site(struct pt_regs *ctx, struct ku_thread *t, __u32 image,
					const struct ku_block *b)
{
	struct ku_site *site;
	__u64 key = find_site(ctx, t, image, b->time, &site);

	if (!site)
		return 0;
	totals_alloc(&site->totals, b->size);
	if (cfg.weighs)
		weigh_alloc(site, b);
	return key;
}

static __always_inline void leave_site(const struct ku_block *b, __u64 now)
{
	struct ku_site *site = bpf_map_lookup_elem(&sites, &b->site);

	if (!site)
		return;
	totals_free(&site->totals, b->size,
		    now > b->time ? (now - b->time) >> KU_TICK_SHIFT : 0);
	if (cfg.weighs)
		weigh_free(site, b);
}

/* ---- blocks ---------------------------------------------------------------- */

/* What is at the block's place was not seen to be freed, or is the mark of what was. */
static __always_inline long replace_block(const struct ku_place *at, struct ku_block *b)
{
	struct ku_block *old = bpf_map_lookup_elem(&live, at);

	if (old && old->flags & (KU_BLOCK_GONE | KU_BLOCK_OVER))
		b->flags |= KU_BLOCK_OVER;
	if (old && !(old->flags & KU_BLOCK_GONE)) {
		leave_site(old, b->time);
		lose(at->image, KU_LOSS_MISSED_FREE);
	}
	return bpf_map_update_elem(&live, at, b, BPF_ANY);
}

static __always_inline void keep_block(const struct ku_process *p, __u64 addr, struct ku_block *b)
{
	struct ku_place at = { .addr = addr, .image = p->image };
	long err = bpf_map_update_elem(&live, &at, b, BPF_NOEXIST);

	if (err == -EEXIST)
		err = replace_block(&at, b);
	if (err) {
		lose(p->image, KU_LOSS_BLOCKS);
		leave_site(b, b->time);
	}
}

static __always_inline void keep_heirloom(const struct ku_place *at, const struct ku_block *b,
					  __u64 now)
{
	struct ku_place place = { .addr = at->addr, .image = at->image,
				  .when = (__u32)(b->time >> 10) };
	struct ku_heirloom h = { .b = *b, .freed = now };

	if (bpf_map_update_elem(&heirlooms, &place, &h, BPF_ANY))
		lose(at->image, KU_LOSS_HEIRLOOMS);
}

/* Takes a block out of the live ones; 0: it was none of them. */
static __always_inline int take_block(const struct ku_process *p, __u64 addr, __u64 now,
				      struct ku_block *taken)
{
	struct ku_place at = { .addr = addr, .image = p->image };
	struct ku_block *b = bpf_map_lookup_elem(&live, &at);

	if (!b || b->flags & KU_BLOCK_GONE)
		return 0;
	*taken = *b;
	if (b->time < p->last_fork && p->last_fork > *(volatile __u64 *)&state.inherited)
		keep_heirloom(&at, taken, now);
	if (!(b->flags & KU_BLOCK_OVER))
		return !bpf_map_delete_elem(&live, &at);
	b->time = now;
	b->flags = KU_BLOCK_GONE;
	return 1;
}

/* A block of the parent's is freed in this child's memory; or one that was never seen. */
static __always_inline void mark_gone(const struct ku_process *p, __u64 addr, __u64 now)
{
	struct ku_place at = { .addr = addr, .image = p->image };
	struct ku_block mark = { .time = now, .flags = KU_BLOCK_GONE }, *b;

	if (!bpf_map_update_elem(&live, &at, &mark, BPF_NOEXIST))
		return;
	b = bpf_map_lookup_elem(&live, &at);
	if (b)
		b->flags |= KU_BLOCK_OVER;
	else
		lose(p->image, KU_LOSS_BLOCKS);
}

#endif

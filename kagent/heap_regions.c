// SPDX-License-Identifier: MIT
/* heap_regions.c - see heap_regions.h. */
#include "kagent/heap_regions.h"

#include "common/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096ull

void heap_regions_free(struct heap_regions *r)
{
	free(r->list);
	free(r->totals);
	*r = (struct heap_regions){ .list = NULL };
}

/* ---- totals ------------------------------------------------------------------------ */

const struct site_totals *heap_regions_totals(const struct heap_regions *r, uint64_t site)
{
	for (size_t i = 0; i < r->total_count; i++)
		if (r->totals[i].site == site)
			return &r->totals[i].t;
	return NULL;
}

static struct site_totals *totals_of(struct heap_regions *r, uint64_t site)
{
	struct site_totals *known = (struct site_totals *)heap_regions_totals(r, site);
	struct region_totals *bigger;

	if (known)
		return known;
	bigger = array_grow(r->totals, r->total_count, &r->total_room, sizeof(*bigger));
	if (!bigger)
		return NULL;
	r->totals = bigger;
	bigger[r->total_count] = (struct region_totals){ .site = site };
	return &bigger[r->total_count++].t;
}

static bool is_counted(const struct heap_region *g)
{
	return !g->inherited && !g->reserved;
}

static void count_alloc(struct heap_regions *r, const struct heap_region *g, uint64_t bytes)
{
	struct site_totals *t = is_counted(g) ? totals_of(r, g->site) : NULL;

	if (!t)
		return;
	t->allocs++;
	t->alloc_bytes += bytes;
	t->live_bytes += (int64_t)bytes;
	if (t->peak_bytes < t->live_bytes)
		t->peak_bytes = t->live_bytes;
}

static void count_free(struct heap_regions *r, const struct heap_region *g, uint64_t bytes,
		       uint64_t now)
{
	struct site_totals *t = is_counted(g) ? totals_of(r, g->site) : NULL;
	uint64_t ticks = now > g->time ? (now - g->time) >> KU_TICK_SHIFT : 0;
	unsigned int bucket = ticks ? 64 - (unsigned int)__builtin_clzll(ticks) : 0;

	if (!t)
		return;
	t->frees++;
	t->free_bytes += bytes;
	t->live_bytes -= (int64_t)bytes;
	t->lifetimes[bucket < TOTALS_LIFETIMES ? bucket : TOTALS_LIFETIMES - 1]++;
}

/* ---- ranges ------------------------------------------------------------------------- */

/* The first that ends behind addr. */
static size_t find(const struct heap_regions *r, uint64_t addr)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->list[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int insert(struct heap_regions *r, size_t at, struct heap_region g)
{
	struct heap_region *bigger = array_grow(r->list, r->count, &r->room, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	r->list = bigger;
	memmove(&bigger[at + 1], &bigger[at], (r->count++ - at) * sizeof(*bigger));
	bigger[at] = g;
	return 0;
}

/*
 * Takes [from, to) out of region i, which it overlaps; *next: where to go on. One block
 * becomes as many as there are parts left, and one more, which is gone: counts stay in balance.
 */
static int cut(struct heap_regions *r, size_t i, uint64_t from, uint64_t to, uint64_t now,
	       size_t *next)
{
	struct heap_region g = r->list[i], high = g;
	int err = 0;

	from = from > g.start ? from : g.start;
	to = to < g.end ? to : g.end;
	count_free(r, &g, to - from, now);
	if (from > g.start)
		count_alloc(r, &g, 0);
	if (to < g.end)
		count_alloc(r, &g, 0);
	high.start = to;
	*next = i + 1;
	if (from > g.start) {
		r->list[i].end = from;
		if (to < g.end)
			err = insert(r, i + 1, high);
	} else if (to < g.end) {
		r->list[i] = high;
	} else {
		memmove(&r->list[i], &r->list[i + 1], (--r->count - i) * sizeof(g));
		*next = i;
	}
	return err;
}

/* What has been there since before `before`. */
static int take_out(struct heap_regions *r, uint64_t from, uint64_t to, uint64_t before,
		    uint64_t now)
{
	size_t i = find(r, from);
	int err = 0;

	while (!err && i < r->count && r->list[i].start < to) {
		if (r->list[i].time < before)
			err = cut(r, i, from, to, now, &i);
		else
			i++;
	}
	return err;
}

static uint64_t round_up(uint64_t size)
{
	return (size + PAGE - 1) & ~(PAGE - 1);
}

static int add(struct heap_regions *r, struct heap_region g)
{
	int err = insert(r, find(r, g.start), g);

	if (!err)
		count_alloc(r, &g, g.end - g.start);
	return err;
}

static bool is_reserved(const struct heap_regions *r, uint64_t addr)
{
	size_t i = find(r, addr);

	return i < r->count && r->list[i].start <= addr && r->list[i].reserved;
}

/* What of g is reserved, and was before e, has been allocated by e. */
static int open_reserved(struct heap_regions *r, const struct ku_region *e, struct heap_region g)
{
	uint64_t at = g.start;
	struct heap_region part;
	size_t i, next;
	int err = 0;

	while (!err && (i = find(r, at)) < r->count && r->list[i].start < g.end) {
		part = r->list[i];
		at = part.end;
		if (!part.reserved || part.time >= e->entered)
			continue;
		err = cut(r, i, g.start, g.end, e->time, &next);
		part = (struct heap_region){
			.start = part.start > g.start ? part.start : g.start,
			.end = part.end < g.end ? part.end : g.end,
			.time = g.time, .site = g.site, .tid = g.tid,
		};
		if (!err && e->wanted)
			err = add(r, part);
	}
	return err;
}

int heap_regions_apply(struct heap_regions *r, const struct ku_region *e)
{
	const struct heap_region g = {
		.start = e->addr, .end = e->addr + round_up(e->size), .time = e->time,
		.site = e->site, .tid = e->tid,
		.reserved = e->without_access ||
			    (e->function == KU_MREMAP && is_reserved(r, e->old_addr)),
	};
	int err = 0;

	if (e->function == KU_MPROTECT)
		return open_reserved(r, e, g);
	if (e->old_size)
		err = take_out(r, e->old_addr, e->old_addr + round_up(e->old_size), e->entered,
			       e->time);
	if (err || !e->size)
		return err;
	err = take_out(r, g.start, g.end, e->time, e->time);
	return !err && (e->wanted || g.reserved) ? add(r, g) : err;
}

int heap_regions_inherit(struct heap_regions *child, const struct heap_regions *parent)
{
	int err = 0;

	for (size_t i = 0; i < parent->count && !err; i++) {
		struct heap_region g = parent->list[i];

		g.inherited = true;
		err = insert(child, child->count, g);
	}
	return err;
}

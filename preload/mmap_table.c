// SPDX-License-Identifier: MIT
/* mmap_table.c - see mmap_table.h. */
#include "mmap_table.h"

#include <stdatomic.h>
#include <string.h>

#include "clock.h"
#include "records.h"
#include "sys.h"

#define PAGE_SHIFT	12
#define FIRST_REGIONS	1024u

struct region {
	uintptr_t start, end;
	uint32_t record;	/* 0: reserved addresses */
};

static struct lock table_lock;

/*
 * Ascending, with all free places in one gap, which is moved to where the table
 * changes: programs map and unmap neighbours in turn, mostly from above.
 */
static struct region *places;
static size_t count, capacity, gap;
static _Atomic uint64_t reserved;	/* bytes */

static struct region *region(size_t i)
{
	return &places[i < gap ? i : i + (capacity - count)];
}

void mmap_table_lock(void)
{
	lock_acquire(&table_lock);
}

void mmap_table_unlock(void)
{
	lock_release(&table_lock);
}

void mmap_table_reset(void)
{
	count = gap = 0;
	reserved = 0;
}

static bool grow(void)
{
	size_t bytes = capacity * sizeof(*places);
	void *p;

	if (count < capacity)
		return true;
	p = bytes ? sys_mremap(places, bytes, bytes * 2, MREMAP_MAYMOVE, NULL)
		  : sys_reserve(FIRST_REGIONS * sizeof(*places));
	if (!p || p == MAP_FAILED)
		return false;
	places = p;
	gap = count;	/* there was none */
	capacity = capacity ? capacity * 2 : FIRST_REGIONS;
	return true;
}

/* The first region that ends behind @addr. */
static size_t find(uintptr_t addr)
{
	size_t lo = 0, hi = count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (region(mid)->end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void move_gap(size_t to)
{
	size_t room = capacity - count;

	if (to < gap)
		memmove(&places[to + room], &places[to], (gap - to) * sizeof(*places));
	else
		memmove(&places[gap], &places[gap + room], (to - gap) * sizeof(*places));
	gap = to;
}

static void insert_at(size_t i, struct region r)
{
	move_gap(i);
	places[gap++] = r;
	count++;
}

static void erase_at(size_t i)
{
	move_gap(i);
	count--;	/* the gap swallows it */
}

static uintptr_t end_of(uintptr_t addr, size_t len)
{
	return addr + ((len + (1u << PAGE_SHIFT) - 1) & ~((1ul << PAGE_SHIFT) - 1));
}

bool mmap_table_any_reserved(void)
{
	return atomic_load_explicit(&reserved, memory_order_relaxed);
}

bool mmap_table_is_reserved(uintptr_t addr)
{
	size_t i = find(addr);

	return i < count && region(i)->start <= addr && !region(i)->record;
}

static void count_reserved(uint64_t more, uint64_t less)
{
	reserved += more - less;
	recorder.hdr->reserved_space = reserved;
}

void mmap_table_after_fork(void)
{
	if (atomic_load(&table_lock.state))
		mmap_table_reset();
	lock_reset(&table_lock);
}

bool mmap_table_has(uint32_t record, const struct session_block *b)
{
	size_t i = find(b->addr);
	const struct region *r = i < count ? region(i) : NULL;

	return r && r->record == record && r->start == b->addr && r->end - r->start == b->size;
}

void mmap_table_keep_inherited(void)
{
	for (size_t i = count; i-- > 0;) {
		uint32_t record = region(i)->record;

		if (!record || session_record_in_use(&recorder.records[record]))
			continue;
		erase_at(i);
		recorder_loss(LOSS_FORK_RACE, 1);
	}
	count_reserved(0, 0);
}

static void count_gone(struct thread_state *t, const struct session_block *b, uint64_t bytes)
{
	if (!b->inherited)
		record_count_free(t, b->stack, bytes, b->tick, 0);
}

static void end_region(struct thread_state *t, size_t i)
{
	struct session_block b;

	if (!region(i)->record) {
		count_reserved(0, region(i)->end - region(i)->start);
		erase_at(i);
		return;
	}
	b = record_get(region(i)->record);
	record_drop(t, region(i)->record);
	count_gone(t, &b, b.size);
	erase_at(i);
}

/* A record becomes [start, end); the rest of it is gone, counted as one freed block of that size. */
static void shrink_record(struct thread_state *t, uint32_t record, uintptr_t start, uintptr_t end)
{
	struct session_block b = record_get(record);
	uint64_t gone = b.size - (end - start);

	b.addr = start;
	b.size = end - start;
	record_change(t, record, &b);	/* (it shrinks: needs no more room) */
	if (!b.inherited) {
		/* one block became two, of which one is gone: counts stay in balance */
		record_count_alloc(t, b.stack, 0, 0);
		record_count_free(t, b.stack, gone, b.tick, 0);
	}
}

static void shrink(struct thread_state *t, size_t i, uintptr_t start, uintptr_t end)
{
	struct region *g = region(i);

	if (g->record)
		shrink_record(t, g->record, start, end);
	else
		count_reserved(0, g->end - g->start - (end - start));
	g->start = start;
	g->end = end;
}

/* Makes another record of what @record, which ends at @end, has from @at on. 0: no room. */
static uint32_t split_record(struct thread_state *t, uint32_t record, uintptr_t at, uintptr_t end)
{
	struct session_block low = record_get(record), high = low;
	uint32_t index;

	high.addr = at;
	high.size = end - at;
	index = record_new(t, &high);
	if (!index)
		return 0;
	low.size -= high.size;
	record_change(t, record, &low);
	if (!low.inherited)
		record_count_alloc(t, low.stack, 0, 0);
	return index;
}

/* Cuts region @i at @at into two. False: no room for another. */
static bool split(struct thread_state *t, size_t i, uintptr_t at)
{
	struct region g = *region(i), high = { at, g.end, 0 };

	if (!grow())
		return false;
	if (g.record) {
		high.record = split_record(t, g.record, at, g.end);
		if (!high.record)
			return false;
	}
	insert_at(i + 1, high);
	region(i)->end = at;
	return true;
}

void mmap_table_remove(struct thread_state *t, uintptr_t addr, size_t len)
{
	uintptr_t end = end_of(addr, len);
	size_t i = find(addr);

	while (i < count && region(i)->start < end) {
		struct region g = *region(i);

		if (g.start < addr && g.end > end && !split(t, i, end))
			recorder_loss(LOSS_TABLE_FULL, 1);
		g = *region(i);
		if (g.start < addr)
			shrink(t, i++, g.start, addr);
		else if (g.end > end)
			shrink(t, i, end, g.end);
		else
			end_region(t, i);
	}
}

/* [start, end), of which nothing is in the table, has been allocated by a call for @len bytes. */
static void allocated(struct thread_state *t, uintptr_t start, uintptr_t end, size_t len,
		      const struct frame_regs *from)
{
	struct session_block b = {
		.addr = start, .size = end - start, .kind = REC_MMAP, .thread = t->thread,
		.timed = true,
	};
	uint32_t index;

	if (len < recorder.cfg.min_size || len > recorder.cfg.max_size)
		return;
	if (!grow()) {
		recorder_loss(LOSS_NO_MEMORY, 1);
		return;
	}
	b.tick = clock_tick() - recorder.tick0;
	b.stack = record_stack(t, from);
	index = record_new(t, &b);
	if (!index) {
		recorder_loss(LOSS_TABLE_FULL, 1);
		return;
	}
	insert_at(find(start), (struct region){ start, end, index });
	record_count_alloc(t, b.stack, b.size, 0);
}

void mmap_table_add(struct thread_state *t, uintptr_t addr, size_t len,
		    const struct frame_regs *from)
{
	mmap_table_remove(t, addr, len);
	allocated(t, addr, end_of(addr, len), len, from);
}

void mmap_table_reserve(struct thread_state *t, uintptr_t addr, size_t len)
{
	uintptr_t end = end_of(addr, len);

	mmap_table_remove(t, addr, len);
	if (!grow()) {
		recorder_loss(LOSS_NO_MEMORY, 1);
		return;
	}
	insert_at(find(addr), (struct region){ addr, end, 0 });
	count_reserved(end - addr, 0);
}

void mmap_table_open(struct thread_state *t, uintptr_t addr, size_t len,
		     const struct frame_regs *from)
{
	uintptr_t end = end_of(addr, len), at = addr;
	size_t i;

	while ((i = find(at)) < count && region(i)->start < end) {
		struct region g = *region(i);

		at = g.end;
		if (g.record)
			continue;
		g.start = g.start > addr ? g.start : addr;
		g.end = g.end < end ? g.end : end;
		mmap_table_remove(t, g.start, g.end - g.start);
		allocated(t, g.start, g.end, len, from);
	}
}

// SPDX-License-Identifier: MIT
/* mmap_table.c - see mmap_table.h. */
#include "mmap_table.h"

#include <string.h>

#include "records.h"
#include "sys.h"

#define PAGE_SHIFT	12
#define FIRST_REGIONS	1024u

struct region {
	uintptr_t start, end;
	uint32_t record;
};

static struct lock table_lock;
static struct region *regions;
static size_t count, capacity;

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
	count = 0;
}

void mmap_table_after_fork(void)
{
	lock_reset(&table_lock);
}

static bool grow(void)
{
	size_t bytes = capacity * sizeof(*regions);
	void *p;

	if (count < capacity)
		return true;
	p = bytes ? sys_mremap(regions, bytes, bytes * 2, MREMAP_MAYMOVE, NULL)
		  : sys_reserve(FIRST_REGIONS * sizeof(*regions));
	if (!p || p == MAP_FAILED)
		return false;
	regions = p;
	capacity = capacity ? capacity * 2 : FIRST_REGIONS;
	return true;
}

/* The first region that ends behind @addr. */
static size_t find(uintptr_t addr)
{
	size_t lo = 0, hi = count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (regions[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static uint64_t pages(uintptr_t start, uintptr_t end)
{
	return (end - start) >> PAGE_SHIFT;
}

static void insert_at(size_t i, struct region r)
{
	memmove(&regions[i + 1], &regions[i], (count - i) * sizeof(*regions));
	regions[i] = r;
	count++;
}

static void erase_at(size_t i)
{
	memmove(&regions[i], &regions[i + 1], (count - i - 1) * sizeof(*regions));
	count--;
}

/* Sites count bytes, whatever unit the record has. */
static void count_gone(struct thread_state *t, const struct session_record *r, uint64_t bytes)
{
	if (r->time_flags & REC_INHERITED)
		return;
	record_count_free(t, (uint32_t)(r->size_stack & REC_STACK_MASK), bytes,
			  r->time_flags >> REC_TIME_SHIFT, 0);
}

static void end_region(struct thread_state *t, size_t i)
{
	struct session_record *r = &recorder.records[regions[i].record];

	record_clear(r);
	count_gone(t, r, regions[i].end - regions[i].start);
	record_put(t, regions[i].record);
	erase_at(i);
}

/* Region @i becomes [start, end); the rest of it is gone, counted as one freed block of that size. */
static void shrink(struct thread_state *t, size_t i, uintptr_t start, uintptr_t end)
{
	struct region *g = &regions[i];
	struct session_record old = recorder.records[g->record], *r = &recorder.records[g->record];
	uint64_t gone = (g->end - g->start) - (end - start);
	uint32_t stack = (uint32_t)(old.size_stack & REC_STACK_MASK);

	record_clear(r);
	record_fill(r, start, pages(start, end), stack, old.time_flags >> REC_TIME_SHIFT,
		    old.time_flags & (REC_KIND_MASK | REC_INHERITED),
		    (uint16_t)(old.addr_thread & REC_THREAD_MASK));
	g->start = start;
	g->end = end;
	if (!(old.time_flags & REC_INHERITED)) {
		/* one block became two, of which one is gone: counts stay in balance */
		record_count_alloc(t, stack, 0, 0);
		record_count_free(t, stack, gone, old.time_flags >> REC_TIME_SHIFT, 0);
	}
}

/* Cuts region @i at @at into two. False: no room for another. */
static bool split(struct thread_state *t, size_t i, uintptr_t at)
{
	struct session_record *r = &recorder.records[regions[i].record], *n;
	uint32_t stack = (uint32_t)(r->size_stack & REC_STACK_MASK);
	uint64_t flags = r->time_flags & (REC_KIND_MASK | REC_INHERITED);
	uint64_t time = r->time_flags >> REC_TIME_SHIFT;
	uint16_t thread = (uint16_t)(r->addr_thread & REC_THREAD_MASK);
	uint32_t index;

	if (!grow())
		return false;
	index = record_take(t);
	if (!index)
		return false;
	n = &recorder.records[index];
	record_fill(n, at, pages(at, regions[i].end), stack, time, flags, thread);
	insert_at(i + 1, (struct region){ at, regions[i].end, index });
	record_clear(r);
	record_fill(r, regions[i].start, pages(regions[i].start, at), stack, time, flags, thread);
	regions[i].end = at;
	if (!(flags & REC_INHERITED))
		record_count_alloc(t, stack, 0, 0);
	return true;
}

void mmap_table_remove(struct thread_state *t, uintptr_t addr, size_t len)
{
	uintptr_t end = addr + ((len + (1u << PAGE_SHIFT) - 1) & ~((1ul << PAGE_SHIFT) - 1));
	size_t i = find(addr);

	while (i < count && regions[i].start < end) {
		struct region g = regions[i];

		if (g.start < addr && g.end > end && !split(t, i, end))
			recorder_loss(LOSS_TABLE_FULL, 1);
		g = regions[i];
		if (g.start < addr)
			shrink(t, i++, g.start, addr);
		else if (g.end > end)
			shrink(t, i, end, g.end);
		else
			end_region(t, i);
	}
}

void mmap_table_add(struct thread_state *t, uintptr_t addr, size_t len,
		    const struct frame_regs *from)
{
	uintptr_t end = addr + ((len + (1u << PAGE_SHIFT) - 1) & ~((1ul << PAGE_SHIFT) - 1));
	uint32_t stack, index;

	mmap_table_remove(t, addr, len);
	if (len < recorder.cfg.min_size || len > recorder.cfg.max_size)
		return;
	if (!grow()) {
		recorder_loss(LOSS_NO_MEMORY, 1);
		return;
	}
	stack = record_stack(t, from);
	index = record_new(t, addr, pages(addr, end), stack,
			   (uint64_t)REC_MMAP << REC_KIND_SHIFT);
	if (!index)
		return;
	insert_at(find(addr), (struct region){ addr, end, index });
	record_count_alloc(t, stack, end - addr, 0);
}


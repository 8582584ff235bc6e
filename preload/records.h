// SPDX-License-Identifier: MIT
/*
 * records.h - places for live allocations in SECT_RECORDS.
 *
 * A thread takes free places from its own list, last freed first (its cache line
 * is warm). An empty list is refilled with a batch: one that other threads gave
 * back, else fresh ones from the end of the section. A list that has grown too
 * long (this thread frees what others allocate) gives batches back. Batches
 * change hands under the growth lock, once per BATCH events at most.
 */
#ifndef PRELOAD_RECORDS_H
#define PRELOAD_RECORDS_H

#include <stdint.h>

#include "recorder.h"

#define RECORD_BATCH	64u
#define RECORDS_LONG	(4 * RECORD_BATCH)

/* Refills the empty list of @t. False: no room in the session. */
COLD bool records_refill(struct thread_state *t);

/* Moves one batch of the long list of @t to the shared ones. */
COLD void records_give_batch(struct thread_state *t);

/* Makes shared batches of all free places below @used. After a fork. */
void records_relink(uint64_t used);

/* A free place, or 0. */
static ALWAYS_INLINE uint32_t record_take(struct thread_state *t)
{
	uint32_t index = t->free_head;

	if (unlikely(!index)) {
		if (!records_refill(t))
			return 0;
		index = t->free_head;
	}
	t->free_head = (uint32_t)(recorder.records[index].time_flags >> REC_TIME_SHIFT);
	t->free_count--;
	return index;
}

/* Writes the block into its place; visible to readers with the last store. */
static ALWAYS_INLINE void record_fill(struct session_record *r, uintptr_t addr, uint64_t size,
				      uint32_t stack, uint64_t time, uint64_t flags, uint16_t thread)
{
	uint64_t seq = (r->time_flags + 1) & REC_SEQ_MASK;

	__atomic_store_n(&r->time_flags, time << REC_TIME_SHIFT | flags | seq, __ATOMIC_RELAXED);
	__atomic_store_n(&r->size_stack,
			 (size < REC_SIZE_MAX ? size : REC_SIZE_MAX) << REC_SIZE_SHIFT | stack,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&r->addr_thread, (uint64_t)addr << REC_ADDR_SHIFT | thread,
			 __ATOMIC_RELEASE);
}

/* The place is free from now on; the caller decides whose list it joins. */
static ALWAYS_INLINE void record_clear(struct session_record *r)
{
	__atomic_store_n(&r->addr_thread, 0, __ATOMIC_RELEASE);
}

static ALWAYS_INLINE void record_put(struct thread_state *t, uint32_t index)
{
	struct session_record *r = &recorder.records[index];
	uint64_t seq = r->time_flags & REC_SEQ_MASK;

	__atomic_store_n(&r->time_flags, (uint64_t)t->free_head << REC_TIME_SHIFT | seq,
			 __ATOMIC_RELAXED);
	t->free_head = index;
	if (unlikely(++t->free_count > RECORDS_LONG))
		records_give_batch(t);
}

#endif

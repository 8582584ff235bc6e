// SPDX-License-Identifier: MIT
/*
 * records.h - places for live allocations in SECT_RECORDS.
 *
 * A thread takes free places from its own list, last freed first (its cache line
 * is warm). An empty list is refilled with a batch: one that some thread gave
 * back, else fresh ones from the end of the section. A list that has grown too
 * long (this thread frees what others allocate) is given back as it is, as one batch:
 * nobody goes over it. Batches change hands under the growth lock, once per
 * RECORD_BATCH events at most, but for a thread's first ones. (Plain events, see
 * record_plain.h, leave it to others of the thread to look at the list's length.)
 *
 * Nearly every block fits into one record, and is written and read inline. The
 * functions at the end handle all others, too; see session_record.h.
 */
#ifndef PRELOAD_RECORDS_H
#define PRELOAD_RECORDS_H

#include <stdint.h>

#include "../common/session_record.h"
#include "recorder.h"

#define RECORD_BATCH		256u
#define RECORD_BATCH_FIRST	64u	/* most threads need no more */
#define RECORDS_LONG		256	/* more than when the list was taken */

/* Refills the empty list of @t. False: no room in the session. */
COLD bool records_refill(struct thread_state *t);

/* The list of @t becomes a shared batch. */
COLD void records_give(struct thread_state *t);

/* Makes room for records below @used. 0 or -errno. Under the growth lock. */
int records_grow(uint64_t used);

/* Makes shared batches of all free places below @used. After a fork. */
void records_relink(uint64_t used);

/*
 * Free places are linked by where they are: offsets in the section, in time_stack.
 * 0 is the end of a list.
 */
static ALWAYS_INLINE uint64_t record_offset(uint32_t index)
{
	return (uint64_t)index * sizeof(struct session_record);
}

static ALWAYS_INLINE uint32_t record_index(uint64_t offset)
{
	return (uint32_t)(offset / sizeof(struct session_record));
}

static ALWAYS_INLINE struct session_record *record_at(uint64_t offset)
{
	return (struct session_record *)((char *)recorder.records + offset);
}

/* A free place, or 0. */
static ALWAYS_INLINE uint32_t record_take(struct thread_state *t)
{
	uint64_t at = t->free_at;

	if (unlikely(!at)) {
		if (!records_refill(t))
			return 0;
		at = t->free_at;
	}
	t->free_at = record_at(at)->time_stack;
	t->free_count--;
	return record_index(at);
}

/*
 * Writes a heap block into its place, at offset @at; visible to readers with the last store.
 * @size is at most REC_SIZE_MAX, @addr fit for the live table. @time: of
 * session_record_time(), and perhaps REC_TIMED.
 */
static ALWAYS_INLINE void record_fill(uint64_t at, uintptr_t addr, uint64_t size, uint32_t stack,
				      uint64_t time, uint16_t thread)
{
	struct session_record *r = record_at(at);
	uint64_t seq = (r->addr_size + 1) & REC_SEQ_MASK;

	recorder.record_threads[record_index(at)] = thread;
	__atomic_store_n(&r->time_stack, time | stack, __ATOMIC_RELAXED);
	__atomic_store_n(&r->addr_size,
			 (uint64_t)addr << (REC_ADDR_SHIFT - REC_ALIGN_SHIFT) |
				 size << REC_SIZE_SHIFT | seq,
			 __ATOMIC_RELEASE);
}

/* The place is free from now on; the caller decides whose list it joins. */
static ALWAYS_INLINE void record_clear(struct session_record *r)
{
	__atomic_store_n(&r->addr_size, r->addr_size & REC_SEQ_MASK, __ATOMIC_RELEASE);
}

static ALWAYS_INLINE void record_put(struct thread_state *t, uint32_t index)
{
	__atomic_store_n(&recorder.records[index].time_stack, t->free_at, __ATOMIC_RELAXED);
	t->free_at = record_offset(index);
	t->free_count++;
	if (unlikely(t->free_count > RECORDS_LONG))
		records_give(t);
}

/* Writes any block into a new place. Its index, or 0: no room. */
COLD uint32_t record_new(struct thread_state *t, const struct session_block *b);

/* The block in place @index becomes @b. False: no room, nothing changed. */
COLD bool record_change(struct thread_state *t, uint32_t index, const struct session_block *b);

/* The block in place @index. */
COLD struct session_block record_get(uint32_t index);

/* The block in place @index is gone. */
COLD void record_drop(struct thread_state *t, uint32_t index);

#endif

// SPDX-License-Identifier: MIT
/*
 * record_plain.h - the event as it nearly always is.
 *
 * Everything is recorded (no sampling, no size filter, no trace), the stack and its
 * site are known, the block is small, there is a free place for its record, and
 * nothing is due. Such an event is looked at first without a word being written;
 * then it is recorded, which cannot fail and calls nothing: no register is saved, no
 * case is told from another. Whatever is otherwise is left to record_hot.h, which
 * does the same in general.
 */
#ifndef PRELOAD_RECORD_PLAIN_H
#define PRELOAD_RECORD_PLAIN_H

#include "record_hot.h"

/* Is a block of @size bytes perhaps plain? */
static ALWAYS_INLINE bool plain_size(size_t size)
{
	return likely(size < recorder.plain);
}

/*
 * The block of @size bytes at @addr was allocated by the stack of @m. plain_size() is true,
 * and @slot is live_slot_used()'s, not NULL. False: it has to be recorded by hot_alloc().
 * True: @record is its record, with the time of t->time.
 */
static ALWAYS_INLINE bool plain_alloc(struct thread_state *t, uintptr_t addr, size_t size,
				      uint32_t *slot, const struct stack_memo *m,
				      struct session_record **record)
{
	struct session_record *r;
	struct session_site *s;
	uint64_t allocated, next, at;

	if (unlikely(*slot))
		return false;
	s = &recorder.sites[m->site];	/* 0: none yet, or it is new */
	if (unlikely(site_times_one(s)))
		return false;
	at = t->free_at;
	if (unlikely(!at))
		return false;
	allocated = s->alloc_bytes + size;
	if (unlikely((int64_t)(allocated - s->free_bytes) > s->high_at) &&
	    !site_rises(s, (int64_t)(allocated - s->free_bytes)))
		return false;
	s->alloc_bytes = allocated;
	s->alloc_count++;
	r = record_at(at);
	next = r->time_stack;
	t->free_at = next;
	/* The next one may have been freed long ago. */
	__builtin_prefetch(record_at(next), 1);
	t->free_count--;
	record_fill(at, addr, size, m->stack, t->time, t->thread);
	__atomic_store_n(slot, record_index(at), __ATOMIC_RELAXED);
	*record = r;
	return true;
}

/* The time of @record, which was made just now, becomes t->time. */
static ALWAYS_INLINE void plain_set_time(const struct thread_state *t, struct session_record *record)
{
	uint64_t stack = record->time_stack & REC_STACK_MASK;

	__atomic_store_n(&record->time_stack, t->time | stack, __ATOMIC_RELAXED);
}

/*
 * The block at @addr is about to be freed, whose record is in @slot. False: it has to
 * be taken out by hot_free().
 */
static ALWAYS_INLINE bool plain_free(struct thread_state *t, uintptr_t addr, uint32_t *slot)
{
	uint64_t at = record_offset(*slot), time_stack;
	struct session_record *r = record_at(at);
	/* 0, but for size, flags and seq, if it is of this address */
	uint64_t rest = r->addr_size ^ addr << (REC_ADDR_SHIFT - REC_ALIGN_SHIFT);
	uint64_t size = rest >> REC_SIZE_SHIFT;
	struct session_site *s;
	uint32_t site;

	if (unlikely(rest & ~(REC_SIZE_MAX << REC_SIZE_SHIFT | REC_SEQ_MASK)))
		return false;
	time_stack = r->time_stack;
	if (unlikely(time_stack & REC_TIMED))
		return false;
	site = t->site_of[time_stack & REC_STACK_MASK];
	if (unlikely(!site))
		return false;
	s = &recorder.sites[site];
	if (size > FOLD_SMALL && unlikely(site_pending(s) - (int64_t)size < -FOLD_BYTES))
		return false;
	__atomic_store_n(slot, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&r->addr_size, rest & REC_SEQ_MASK, __ATOMIC_RELEASE);
	__atomic_store_n(&r->time_stack, t->free_at, __ATOMIC_RELAXED);
	t->free_at = at;
	t->free_count++;	/* (is the list too long? see record_put()) */
	s->free_count++;
	s->free_bytes += size;
	return true;
}

#endif

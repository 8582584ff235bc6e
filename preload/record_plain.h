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

/*
 * The block of @size bytes at @addr, whose slot is live_slot_used()'s, was allocated by the
 * stack of @m. False: it has to be recorded by hot_alloc(). True: @record is its record,
 * with the time of t->time.
 */
static ALWAYS_INLINE bool plain_alloc(struct thread_state *t, uintptr_t addr, size_t size,
				      uint32_t *slot, const struct stack_memo *m,
				      struct session_record **record)
{
	uint32_t index = t->free_head;
	struct session_site *s = &recorder.sites[m->site];
	struct session_record *r = &recorder.records[index];
	int64_t pending;

	if (unlikely(size > REC_SIZE_MAX))
		return false;
	if (unlikely(!slot))
		return false;
	if (unlikely(!index))
		return false;
	if (unlikely(!m->site))
		return false;
	if (unlikely(*slot))
		return false;
	if (unlikely(site_times_next(s)))
		return false;
	pending = s->pending + (int64_t)size;
	if (unlikely(pending > FOLD_BYTES))
		return false;
	t->free_head = (uint32_t)r->time_stack;
	/* The next one may have been freed long ago. */
	__builtin_prefetch(&recorder.records[t->free_head], 1);
	t->free_count--;
	record_fill(index, addr, size, m->stack, t->time, t->thread);
	__atomic_store_n(slot, index, __ATOMIC_RELAXED);
	s->alloc_count++;
	s->alloc_bytes += size;
	s->pending = pending;
	if (unlikely(pending > s->high))
		s->high = pending;
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
	uint32_t index = *slot, site;
	struct session_record *r = &recorder.records[index];
	uint64_t addr_size = r->addr_size, time_stack = r->time_stack;
	uint64_t size = addr_size >> REC_SIZE_SHIFT & REC_SIZE_MAX;
	struct session_site *s;
	int64_t pending;

	/* of this address, and none of its flags is set */
	if (unlikely((addr_size & ~(REC_SIZE_MAX << REC_SIZE_SHIFT | REC_SEQ_MASK)) !=
		     addr << (REC_ADDR_SHIFT - REC_ALIGN_SHIFT)))
		return false;
	if (unlikely(time_stack & REC_TIMED))
		return false;
	site = t->site_of[time_stack & REC_STACK_MASK];
	s = &recorder.sites[site];
	if (unlikely(!site))
		return false;
	pending = s->pending - (int64_t)size;
	if (unlikely(pending < -FOLD_BYTES))
		return false;
	__atomic_store_n(slot, 0, __ATOMIC_RELAXED);
	record_clear(r);
	__atomic_store_n(&r->time_stack, (uint64_t)t->free_head, __ATOMIC_RELAXED);
	t->free_head = index;
	t->free_count++;	/* (is the list too long? see record_put()) */
	s->free_count++;
	s->free_bytes += size;
	s->pending = pending;
	return true;
}

#endif

// SPDX-License-Identifier: MIT
/*
 * record_hot.h - recording one event, inlined into the malloc hooks.
 *
 * Every line here runs per event. Others go through the functions of recorder.h,
 * which are these, out of line.
 */
#ifndef PRELOAD_RECORD_HOT_H
#define PRELOAD_RECORD_HOT_H

#include "clock.h"
#include "live_table.h"
#include "records.h"
#include "recorder.h"
#include "sampler.h"
#include "sites.h"
#include "stack_memo.h"
#include "trace_ring.h"

/* The stack is none of those captured lately. */
struct stack_memo *record_stack_changed(struct thread_state *t, const struct frame_regs *from);

/* First use of the stack's site by this entry. NULL: no room. */
COLD struct session_site *record_find_site(struct thread_state *t, struct stack_memo *m);

/* With sampling or a size filter: draws the next sample; is this size to be recorded? */
COLD bool record_accept(struct thread_state *t, size_t size);

/*
 * With sampling: counts a block by what it stands for, and returns how many bytes
 * that are. @mean: the REC_MEAN bits of its record.
 */
COLD int64_t record_weigh_alloc(struct session_site *s, uint64_t bytes, uint64_t mean);
COLD int64_t record_weigh_free(struct session_site *s, uint64_t bytes, uint64_t mean);

/* The same as hot_new() and hot_end(), for blocks with an extension. @mean: REC_MEAN bits. */
COLD uint32_t record_new_extended(struct thread_state *t, uintptr_t addr, uint64_t size,
				  uint32_t stack, uint64_t mean, uint64_t tick, bool timed);
COLD void record_end_extended(struct thread_state *t, uint32_t index);

/* What is recorded at @slot's address was freed behind our back. */
COLD void record_replace_stale(struct thread_state *t, uint32_t stale);

/* Time has gone on: brings t->clock and t->time up to date. */
void record_catch_up(struct thread_state *t);

static ALWAYS_INLINE uint64_t hot_now(void)
{
	return clock_tick() - recorder.tick0;
}

/* The same, perhaps a tick of the kernel's (1 to 10 ms) early. */
static ALWAYS_INLINE uint64_t hot_lately(struct thread_state *t)
{
	if (!clock_stands(&t->clock))
		record_catch_up(t);
	return t->clock.tick - recorder.tick0;
}

/* stack_memo_find() has found nothing. */
static ALWAYS_INLINE struct stack_memo *hot_new_stack(struct thread_state *t,
						      const struct frame_regs *from)
{
	struct stack_memo *m = record_stack_changed(t, from);

	stack_check(m->stack, from->ip, from->sp, from->bp);
	return m;
}

static ALWAYS_INLINE struct stack_memo *hot_stack(struct thread_state *t,
						  const struct frame_regs *from)
{
	struct stack_memo *m = stack_memo_find(&t->memos, *from);

	if (unlikely(!m))
		return hot_new_stack(t, from);
	stack_check(m->stack, from->ip, from->sp, from->bp);
	return m;
}

static ALWAYS_INLINE struct session_site *hot_site(struct thread_state *t, struct stack_memo *m)
{
	return likely(m->site) ? &recorder.sites[m->site] : record_find_site(t, m);
}

/* @s: NULL if there was no room for it. */
static ALWAYS_INLINE void hot_count_alloc(struct session_site *s, uint64_t bytes, uint64_t mean,
					  bool timed)
{
	int64_t moved = (int64_t)bytes;

	if (unlikely(!s))
		return;
	if (unlikely(recorder.weighs))
		moved = record_weigh_alloc(s, bytes, mean);
	site_alloc(s, bytes, moved, timed);
}

/* Ticks from @since, of a record, until now. */
static ALWAYS_INLINE uint64_t hot_lived(uint64_t since)
{
	int64_t time = (int64_t)(session_record_time(hot_now()) - session_record_time(since));

	/* (another processor's clock may be behind) */
	return time > 0 ? (uint64_t)time >> REC_TIME_SHIFT << REC_TICK_SHIFT : 0;
}

#define HOT_UNTIMED UINT64_MAX	/* the block's time is not exact */

static ALWAYS_INLINE void hot_count_free(struct thread_state *t, uint32_t stack, uint64_t bytes,
					 uint64_t since, uint64_t mean)
{
	struct session_site *s = site_get(t, stack);
	int64_t moved = (int64_t)bytes;

	if (unlikely(!s))
		return;
	if (unlikely(recorder.weighs))
		moved = record_weigh_free(s, bytes, mean);
	if (since != HOT_UNTIMED)
		site_lifetime(s, hot_lived(since));
	site_free(s, bytes, moved, since != HOT_UNTIMED);
}

static ALWAYS_INLINE uint32_t hot_new(struct thread_state *t, uintptr_t addr, uint64_t size,
				      uint32_t stack, uint64_t mean, uint64_t tick, bool timed)
{
	uint32_t index;

	if (unlikely((size | mean) > REC_SIZE_MAX)) {
		index = record_new_extended(t, addr, size, stack, mean, tick, timed);
	} else {
		index = record_take(t);
		if (likely(index))
			record_fill(record_offset(index), addr, size, stack,
				    session_record_time(tick) | (timed ? REC_TIMED : 0), t->thread);
	}
	if (unlikely(!index))
		recorder_loss(LOSS_TABLE_FULL, 1);
	return index;
}

static ALWAYS_INLINE void hot_end(struct thread_state *t, uint32_t index)
{
	struct session_record *r = &recorder.records[index];
	uint64_t addr_size = r->addr_size, time_stack = r->time_stack;

	if (unlikely(addr_size & REC_EXTENDED)) {
		record_end_extended(t, index);
		return;
	}
	record_clear(r);
	if (likely(!(addr_size & REC_INHERITED)))
		hot_count_free(t, (uint32_t)(time_stack & REC_STACK_MASK),
			       addr_size >> REC_SIZE_SHIFT & REC_SIZE_MAX,
			       time_stack & REC_TIMED ?
				       time_stack >> REC_TIME_SHIFT << REC_TICK_SHIFT : HOT_UNTIMED,
			       0);
	record_put(t, index);
}

/* The record in @slot if it is of the block at @addr; takes it out of the shadow. */
static ALWAYS_INLINE uint32_t hot_take_from_shadow(uint32_t *slot, uintptr_t addr)
{
	uint32_t index = __atomic_load_n(slot, __ATOMIC_RELAXED);

	if (!index)
		return 0;
	__atomic_store_n(slot, 0, __ATOMIC_RELAXED);
	if (likely(session_record_addr(&recorder.records[index]) == addr))
		return index;
	/* Inherited from a parent whose other threads changed the record while it was copied. */
	recorder_loss(LOSS_FORK_RACE, 1);
	return 0;
}

/*
 * A block that sampling chose (sampler_passes() said no). @stack: of stack_memo_find(),
 * NULL: not found, or not looked for.
 */
static ALWAYS_INLINE void hot_block(struct thread_state *t, uintptr_t addr, size_t size,
				    const struct frame_regs *from, struct stack_memo *stack)
{
	struct session_site *site;
	uint32_t index, stale, *slot;
	uint64_t mean = t->mean_flags;
	bool timed;

	/* (draws the next sample, perhaps by another mean than chose this one) */
	if (unlikely(recorder.choosy) && !record_accept(t, size))
		return;
	slot = live_slot_make(addr);
	if (unlikely(!slot)) {
		recorder_loss(live_address(addr) ? LOSS_NO_MEMORY : LOSS_BAD_ADDRESS, 1);
		return;
	}
	if (!stack)
		stack = hot_stack(t, from);
	site = hot_site(t, stack);
	timed = !site || mean || site_times_next(site);
	index = hot_new(t, addr, size, stack->stack, mean, timed ? hot_now() : hot_lately(t), timed);
	if (unlikely(!index))
		return;
	stale = __atomic_load_n(slot, __ATOMIC_RELAXED);
	__atomic_store_n(slot, index, __ATOMIC_RELAXED);
	if (unlikely(stale))
		record_replace_stale(t, stale);
	hot_count_alloc(site, size, mean, timed);
}

static ALWAYS_INLINE void hot_alloc(struct thread_state *t, const void *p, size_t size,
				    const struct frame_regs *from, struct stack_memo *stack,
				    enum session_trace_op op)
{
	if (unlikely(recorder.cfg.trace))
		trace_ring_add(op, (uintptr_t)p, size, 0);
	hot_block(t, (uintptr_t)p, size, from, stack);
}

/* The shadow slot of @p if some block is recorded there, else NULL. Any context. */
static ALWAYS_INLINE uint32_t *hot_recorded(const void *p)
{
	uint32_t *slot = likely(live_root) ? live_slot_used((uintptr_t)p) : NULL;

	return slot && __atomic_load_n(slot, __ATOMIC_RELAXED) ? slot : NULL;
}

/* @slot: of hot_recorded(). */
static ALWAYS_INLINE void hot_free(struct thread_state *t, const void *p, uint32_t *slot,
				   enum session_trace_op op)
{
	uint32_t index = slot ? hot_take_from_shadow(slot, (uintptr_t)p) : 0;

	if (unlikely(recorder.cfg.trace))
		trace_ring_add(op, (uintptr_t)p, 0, 0);
	if (likely(index))
		hot_end(t, index);
}

#endif

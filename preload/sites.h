// SPDX-License-Identifier: MIT
/*
 * sites.h - totals per stack and thread slot (session_site).
 *
 * Only the slot's owner writes its sites, with plain stores, so counting an
 * event shares no cache line. What is shared - the stack's live and peak bytes -
 * is brought up to date every 64 KiB that are allocated, or FOLD_TIMED timed events.
 */
#ifndef PRELOAD_SITES_H
#define PRELOAD_SITES_H

#include <stdint.h>

#include "recorder.h"

#define FOLD_TIMED	4u
#define FOLD_BYTES	(64 << 10)
#define FOLD_SMALL	256	/* so small are blocks whose frees fold only when they are timed */

/* This thread's site of @stack, made at first use. NULL: no room. */
COLD struct session_site *site_make(struct thread_state *t, uint32_t stack);

/* Adds what is pending to the stack's live and peak bytes. */
COLD void site_fold(struct session_site *s);

/* One bucket would overflow: halves all. */
COLD void site_halve_lifetimes(struct session_site *s);

static ALWAYS_INLINE struct session_site *site_get(struct thread_state *t, uint32_t stack)
{
	uint32_t index = t->site_of[stack];

	return likely(index) ? &recorder.sites[index] : site_make(t, stack);
}

/* What is pending: bytes allocated and not freed since the last fold. */
static ALWAYS_INLINE int64_t site_pending(const struct session_site *s)
{
	return (int64_t)(s->alloc_bytes - s->free_bytes) - s->high_at + s->high;
}

/*
 * An allocation has little to do while no more is pending than was before, and a free has
 * nothing: where what is pending is at its highest is kept as a difference of totals.
 *
 * alloc_bytes - free_bytes is about to become @now, which is beyond high_at. False: so
 * much is pending then that it has to be folded; nothing was changed.
 */
static ALWAYS_INLINE bool site_rises(struct session_site *s, int64_t now)
{
	int64_t high = s->high + (now - s->high_at);

	if (unlikely(high > FOLD_BYTES))
		return false;
	s->high = high;
	s->high_at = now;
	return true;
}

/* After alloc_bytes or free_bytes was changed, by @more than the bytes of the blocks stand for. */
static ALWAYS_INLINE void site_moved(struct session_site *s, int64_t more, bool timed)
{
	int64_t pending;

	s->high_at += more;
	pending = site_pending(s);
	if (pending > s->high) {
		s->high_at += pending - s->high;
		s->high = pending;
	}
	s->timed_events = (uint16_t)(s->timed_events + timed);
	if (unlikely(s->timed_events >= FOLD_TIMED || pending > FOLD_BYTES || pending < -FOLD_BYTES))
		site_fold(s);
}

/* @moved: the bytes that the block stands for. */
static ALWAYS_INLINE void site_alloc(struct session_site *s, uint64_t bytes, int64_t moved,
				     bool timed)
{
	s->alloc_count++;
	s->alloc_bytes += bytes;
	site_moved(s, (int64_t)bytes - moved, timed);
}

/*
 * Reading the clock costs more than all the rest of a free. So a site's first
 * LIFETIMES_ALL blocks get their exact time, and of the later ones one in
 * LIFETIMES_STEP: multiples of the golden ratio pick them evenly. Freed, each
 * counts for itself and the frees before it that were not timed.
 */
#define LIFETIMES_ALL	16u
#define LIFETIMES_STEP	256u

/* The same as site_times_next() after the first blocks; true where none was allocated. */
static ALWAYS_INLINE bool site_times_one(const struct session_site *s)
{
	return (uint32_t)s->alloc_count * 0x9e3779b1u < UINT32_MAX / LIFETIMES_STEP;
}

static ALWAYS_INLINE bool site_is_new(const struct session_site *s)
{
	return s->alloc_count < LIFETIMES_ALL;
}

/* Is the next block of this site one whose lifetime will count? */
static ALWAYS_INLINE bool site_times_next(const struct session_site *s)
{
	return site_is_new(s) || site_times_one(s);
}

/* Before site_free(). */
static ALWAYS_INLINE void site_lifetime(struct session_site *s, uint64_t lived)
{
	uint16_t untimed = (uint16_t)((uint16_t)s->free_count - s->lifetimes_until);
	unsigned int bucket = lived ? 64 - (unsigned int)__builtin_clzll(lived) : 0;

	if (bucket >= SESSION_LIFETIMES)
		bucket = SESSION_LIFETIMES - 1;
	s->lifetimes[bucket] += 1u + untimed;
	s->lifetimes_until = (uint16_t)(s->free_count + 1);
	if (unlikely(s->lifetimes[bucket] > UINT32_MAX - UINT16_MAX - 1))
		site_halve_lifetimes(s);
}

static ALWAYS_INLINE void site_free(struct session_site *s, uint64_t bytes, int64_t moved,
				    bool timed)
{
	s->free_count++;
	s->free_bytes += bytes;
	site_moved(s, moved - (int64_t)bytes, timed);
}

#endif

// SPDX-License-Identifier: MIT
/*
 * sites.h - totals per stack and thread slot (session_site).
 *
 * Only the slot's owner writes its sites, with plain stores, so counting an
 * event shares no cache line. What is shared - the stack's live and peak bytes -
 * is brought up to date every 64 KiB or FOLD_TIMED timed events.
 */
#ifndef PRELOAD_SITES_H
#define PRELOAD_SITES_H

#include <stdint.h>

#include "recorder.h"

#define FOLD_TIMED	8u
#define FOLD_BYTES	(64 << 10)

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

/* So much is pending that it is folded. */
static ALWAYS_INLINE bool site_is_full(int64_t pending)
{
	return pending > FOLD_BYTES || pending < -FOLD_BYTES;
}

static ALWAYS_INLINE void site_pending(struct session_site *s, int64_t bytes, bool timed)
{
	s->pending += bytes;
	if (s->pending > s->high)
		s->high = s->pending;
	s->timed_events = (uint16_t)(s->timed_events + timed);
	if (unlikely(s->timed_events >= FOLD_TIMED || site_is_full(s->pending)))
		site_fold(s);
}

/* @moved: the bytes that the block stands for. */
static ALWAYS_INLINE void site_alloc(struct session_site *s, uint64_t bytes, int64_t moved,
				     bool timed)
{
	s->alloc_count++;
	s->alloc_bytes += bytes;
	site_pending(s, moved, timed);
}

/*
 * Reading the clock costs more than all the rest of a free. So a site's first
 * LIFETIMES_ALL blocks get their exact time, and of the later ones one in
 * LIFETIMES_STEP: multiples of the golden ratio pick them evenly. Freed, each
 * counts for itself and the frees before it that were not timed.
 */
#define LIFETIMES_ALL	16u
#define LIFETIMES_STEP	64u

/* Is the next block of this site one whose lifetime will count? */
static ALWAYS_INLINE bool site_times_next(const struct session_site *s)
{
	return s->alloc_count < LIFETIMES_ALL ||
	       (uint32_t)s->alloc_count * 0x9e3779b1u < UINT32_MAX / LIFETIMES_STEP;
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
	site_pending(s, -moved, timed);
}

#endif

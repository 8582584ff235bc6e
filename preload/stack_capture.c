// SPDX-License-Identifier: MIT
/* stack_capture.c - see stack_capture.h. */
#include "stack_capture.h"

#include <string.h>

#include "../common/session_format.h"
#include "compiler.h"
#include "frame_step.h"

/*
 * Hashes are polynomial: hash(frames 0..i) = hash(0..i-1) * BASE + mix(ip), so
 * that the hash of the innermost n frames follows from two kept ones:
 * hash(0..i) - hash(0..i-n) * BASE^n.
 */
#define HASH_BASE 0xd6e8feb86659fd93ull

static uint64_t power[DEPTH_MAX + 1];

static uint64_t mix(uint64_t x)
{
	x *= 0xff51afd7ed558ccdull;
	return x ^ x >> 32;
}

void stack_capture_init(void)
{
	power[0] = 1;
	for (int i = 1; i <= DEPTH_MAX; i++)
		power[i] = power[i - 1] * HASH_BASE;
	frame_step_init();
}

void stack_capture_flush(void)
{
	frame_step_flush();
}

void stack_cache_reset(struct frame_cache *c)
{
	c->count = 0;
	c->barriers = 0;
	c->guesses = 0;
	c->open = c->partial = false;
	c->base_hash = 0;
}

/* The innermost barrier at or outside of index @i, or 0. */
static int barrier_below(const struct frame_cache *c, int i)
{
	while (i > 0 && !(c->frame[i].slot & KEPT_BARRIER))
		i--;
	return i;
}

/* The outermost index, from @i to @last at most, up to which the kept frames hold. */
static ALWAYS_INLINE int verify(const struct frame_cache *c, int i, int last)
{
	if (last < 0)
		last = 0;
	if (unlikely(c->barriers)) {
		int stop = barrier_below(c, i);

		if (stop > last)
			last = stop;
	}
	return i > last ? (int)(stack_verify(&c->frame[i], &c->frame[last]) - c->frame) : i;
}

/*
 * The walk is at frame @from; frames inside of index @to move to the scratch list, and
 * the walk moves there: the part outside has to be walked again.
 */
static ALWAYS_INLINE int reuse_inner(struct frame_cache *c, int from, int to, int fresh,
				     struct frame_regs *cur)
{
	for (int i = from; i > to && fresh < FRAMES_KEPT; i--) {
		struct kept_frame *f = &c->fresh[fresh++];

		*f = c->frame[i];
		f->bp = cur->bp;
		if (f->slot & KEPT_SLOT)
			cur->bp = *(const uintptr_t *)(f->slot & KEPT_SLOT);
	}
	cur->ip = c->frame[to].ip;
	cur->sp = c->frame[to].sp;
	return fresh;
}

static void drop_outermost(struct frame_cache *c, int n)
{
	c->base_hash = c->hash[n - 1];
	c->open = true;
	c->count -= n;
	memmove(c->frame, c->frame + n, (size_t)c->count * sizeof(c->frame[0]));
	memmove(c->hash, c->hash + n, (size_t)c->count * sizeof(c->hash[0]));
}

/* Keeps the counts of odd frames right: @sign 1 for a frame that comes, -1 for one that goes. */
static void count_marks(struct frame_cache *c, uintptr_t slot, int sign)
{
	if (slot & KEPT_BARRIER)
		c->barriers += sign;
	if (slot & KEPT_GUESSED)
		c->guesses += sign;
}

/* Frames [from, to) go. */
static void forget_marks(struct frame_cache *c, int from, int to)
{
	if (likely(!(c->barriers | c->guesses)))
		return;
	for (int i = from; i < to; i++)
		count_marks(c, c->frame[i].slot, -1);
}

static COLD void make_room(struct frame_cache *c, int fresh)
{
	int excess = c->count + fresh - FRAMES_KEPT + FRAMES_KEPT / 4;

	if (excess >= c->count) {
		stack_cache_reset(c);
		c->open = true;
	} else {
		forget_marks(c, 0, excess);
		drop_outermost(c, excess);
	}
}

/*
 * Appends the scratch list to the kept frames. Outermost first, so that each
 * frame knows whether its callers' rules need the bp that passes through it.
 */
static ALWAYS_INLINE void append_fresh(struct frame_cache *c, int fresh)
{
	uint64_t hash = c->count ? c->hash[c->count - 1] : c->base_hash;
	bool bp_needed = c->count && (c->frame[c->count - 1].slot & KEPT_USES_BP);
	struct kept_frame *to = &c->frame[c->count];
	uint64_t *hashes = &c->hash[c->count];
	uintptr_t odd = 0;

	c->count += fresh;
	for (const struct kept_frame *f = &c->fresh[fresh - 1]; f >= c->fresh; f--, to++) {
		*to = *f;
		if (bp_needed && !(f->slot & KEPT_SLOT))
			to->slot |= KEPT_USES_BP;
		bp_needed = to->slot & KEPT_USES_BP;
		odd |= to->slot;
		hash = hash * HASH_BASE + mix(f->ip);
		*hashes++ = hash;
	}
	if (likely(!(odd & (KEPT_BARRIER | KEPT_GUESSED))))
		return;
	for (int i = c->count - fresh; i < c->count; i++)
		count_marks(c, c->frame[i].slot, 1);
}

/* The kept stack becomes: its frames 0..@kept-1, then the scratch list. */
static ALWAYS_INLINE void splice(struct frame_cache *c, int kept, int fresh)
{
	if (kept == 0)
		c->base_hash = 0;
	forget_marks(c, kept, c->count);
	c->count = kept;
	if (unlikely(kept + fresh > FRAMES_KEPT))
		make_room(c, fresh);
	append_fresh(c, fresh);
}

/*
 * Is the outermost kept frame where every walk would end? One that was lost for
 * want of registers may be stepped out of when other frames are inside of it.
 */
static ALWAYS_INLINE bool ends_for_good(const struct frame_cache *c)
{
	return !c->open && !(c->partial && (c->frame[0].slot & KEPT_BARRIER));
}

/* Walks from @cur; what is as it was is taken over, the rest stepped. */
static ALWAYS_INLINE void walk(struct frame_cache *c, struct frame_regs cur, int depth)
{
	int i = c->count - 1, fresh = 0;
	struct frame_walk w;

	frame_walk_begin(&w, c, cur.sp);
	while (fresh < FRAMES_KEPT) {
		enum step_result res;

		while (i >= 0 && c->frame[i].sp < cur.sp)
			i--;
		if (i >= 0 && stack_same_frame(&c->frame[i], &cur)) {
			int last = i - (depth - fresh) + 1;
			int good = verify(c, i, last);

			if (good <= last || (good == 0 && ends_for_good(c)))
				break;
			fresh = reuse_inner(c, i, good, fresh, &cur);
			i = good - 1;
			if (fresh == FRAMES_KEPT)
				break;
		}
		res = frame_step(&w, &cur, &c->fresh[fresh++]);
		if (unlikely(res != STEP_OK)) {
			i = -1;
			c->open = false;
			c->partial = res == STEP_LOST;
			break;
		}
	}
	if (unlikely(fresh >= FRAMES_KEPT)) {
		i = -1;
		c->open = true;
		c->partial = false;
	}
	splice(c, i + 1, fresh);
}

static ALWAYS_INLINE void describe(const struct frame_cache *c, int depth, struct stack_view *view)
{
	int n = c->count;

	view->flags = 0;
	if (n <= depth && !c->open) {
		view->hash = n ? c->hash[n - 1] : 0;
		view->depth = (uint32_t)n;
		view->flags = c->partial ? STACK_PARTIAL : 0;
	} else {
		uint64_t outer = n > depth ? c->hash[n - 1 - depth] : c->base_hash;

		if (depth > n)
			depth = n;
		view->hash = c->hash[n - 1] - outer * power[depth];
		view->depth = (uint32_t)depth;
		view->flags = STACK_CUT;
	}
	if (unlikely(c->guesses))
		view->flags |= STACK_GUESSED;
	view->hash += view->flags;
}

void stack_capture(struct frame_cache *c, const struct frame_regs *top, unsigned int depth,
		   struct stack_view *view)
{
	walk(c, *top, (int)depth);
	describe(c, (int)depth, view);
}

void stack_copy_frames(const struct frame_cache *c, uint32_t depth, uint64_t *out)
{
	const struct kept_frame *f = &c->frame[c->count], *end = f - depth;

	while (f > end)
		*out++ = (--f)->ip;
}

bool stack_equals_frames(const struct frame_cache *c, uint32_t depth, const uint64_t *frames)
{
	const struct kept_frame *f = &c->frame[c->count], *end = f - depth;

	while (f > end)
		if (*frames++ != (--f)->ip)
			return false;
	return true;
}

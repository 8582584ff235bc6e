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
	while (i > 0 && !c->frame[i].barrier)
		i--;
	return i;
}

static int verify(const struct frame_cache *c, int i, int last)
{
	if (last < 0)
		last = 0;
	if (unlikely(c->barriers)) {
		int stop = barrier_below(c, i);

		if (stop > last)
			last = stop;
	}
	return i > last ? stack_verify(c, i, last) : i;
}

/* Frames inside of index @to move to the scratch list: the part outside it has to be walked again. */
static int reuse_inner(struct frame_cache *c, int from, int to, int fresh)
{
	for (int i = from; i > to && fresh < FRAMES_KEPT; i--)
		c->fresh[fresh++] = c->frame[i];
	return fresh;
}

static void drop_outermost(struct frame_cache *c, int n)
{
	c->base_hash = c->frame[n - 1].hash;
	c->open = true;
	c->count -= n;
	memmove(c->frame, c->frame + n, (size_t)c->count * sizeof(c->frame[0]));
}

static void keep(struct frame_cache *c, const struct kept_frame *new)
{
	struct kept_frame *f = &c->frame[c->count];
	const struct kept_frame *outer = c->count ? f - 1 : NULL;
	uint64_t word = new->ip | (new->exact ? STACK_EXACT_BIT : 0);

	*f = *new;
	f->hash = (outer ? outer->hash : c->base_hash) * HASH_BASE + mix(word);
	/* bp reaches further out unless this frame's rule restores it */
	if (outer && outer->uses_bp) {
		if (!f->bp_slot)
			f->uses_bp = 1;
	} else {
		f->bp_slot = 0;
	}
	c->barriers += f->barrier;
	c->guesses += f->guessed;
	c->count++;
}

/* Frames [from, to) go: keeps the counts of odd ones right. */
static void forget_marks(struct frame_cache *c, int from, int to)
{
	if (likely(!c->barriers && !c->guesses))
		return;
	for (int i = from; i < to; i++) {
		c->barriers -= c->frame[i].barrier;
		c->guesses -= c->frame[i].guessed;
	}
}

/* The kept stack becomes: its frames 0..@kept-1, then the scratch list. */
static void splice(struct frame_cache *c, int kept, int fresh)
{
	if (kept == 0)
		c->base_hash = 0;
	forget_marks(c, kept, c->count);
	c->count = kept;
	if (unlikely(kept + fresh > FRAMES_KEPT)) {
		int excess = kept + fresh - FRAMES_KEPT + FRAMES_KEPT / 4;

		if (excess >= kept) {
			stack_cache_reset(c);
			c->open = true;
		} else {
			forget_marks(c, 0, excess);
			drop_outermost(c, excess);
		}
	}
	for (int i = fresh - 1; i >= 0; i--)
		keep(c, &c->fresh[i]);
}

/* Walks from @cur, with @fresh frames inside of it in the scratch list already. */
static void walk(struct frame_cache *c, struct frame_regs cur, int i, int fresh, int depth)
{
	struct frame_walk w;

	frame_walk_begin(&w, c, cur.sp);
	while (fresh < FRAMES_KEPT) {
		enum step_result res;

		while (i >= 0 && c->frame[i].sp < cur.sp)
			i--;
		if (i >= 0 && stack_same_frame(&c->frame[i], &cur)) {
			int last = i - (depth - fresh) + 1;
			int good = verify(c, i, last);

			if (good <= last || (good == 0 && !c->open))
				break;
			fresh = reuse_inner(c, i, good, fresh);
			cur = (struct frame_regs){ c->frame[good].ip, c->frame[good].sp,
						   c->frame[good].bp, c->frame[good].exact };
			i = good - 1;
			if (fresh == FRAMES_KEPT)
				break;
		}
		res = frame_step(&w, &cur, &c->fresh[fresh++]);
		if (res != STEP_OK) {
			i = -1;
			c->open = false;
			c->partial = res == STEP_LOST;
			break;
		}
	}
	if (fresh >= FRAMES_KEPT) {
		i = -1;
		c->open = true;
		c->partial = false;
	}
	splice(c, i + 1, fresh);
}

static void describe(const struct frame_cache *c, int depth, struct stack_view *view)
{
	int n = c->count;

	view->flags = 0;
	if (n <= depth && !c->open) {
		view->hash = n ? c->frame[n - 1].hash : 0;
		view->depth = (uint32_t)n;
		view->flags = c->partial ? STACK_PARTIAL : 0;
	} else {
		uint64_t outer = n > depth ? c->frame[n - 1 - depth].hash : c->base_hash;

		if (depth > n)
			depth = n;
		view->hash = c->frame[n - 1].hash - outer * power[depth];
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
	walk(c, *top, c->count - 1, 0, (int)depth);
	describe(c, (int)depth, view);
}

/* The @i-th frame of the view, as session_stack wants it. */
static uint64_t frame_word(const struct frame_cache *c, uint32_t i)
{
	const struct kept_frame *f = &c->frame[c->count - 1 - (int)i];

	return f->ip | (f->exact ? STACK_EXACT_BIT : 0);
}

void stack_copy_frames(const struct frame_cache *c, uint32_t depth, uint64_t *out)
{
	for (uint32_t i = 0; i < depth; i++)
		out[i] = frame_word(c, i);
}

bool stack_equals_frames(const struct frame_cache *c, uint32_t depth, const uint64_t *frames)
{
	for (uint32_t i = 0; i < depth; i++)
		if (frames[i] != frame_word(c, i))
			return false;
	return true;
}

// SPDX-License-Identifier: MIT
/*
 * stack_capture.h - exact call stacks at about a nanosecond a frame.
 *
 * Each thread keeps the last stack it captured, outermost frame at index 0:
 * per frame the return address, sp, bp, where the caller's bp was restored
 * from, and the hash of all frames up to and including it.
 *
 * A capture steps outward from the innermost frame with recipes until it meets
 * a kept frame with equal ip and sp (and bp, where a rule further out uses it).
 * From there it compares, slot by slot, what the rest of the walk would read
 * with what was read before. While all is equal the kept frames *are* the
 * stack; at the first difference stepping resumes from the last equal frame.
 * A bp that no rule further out depends on is not compared: it may be another by
 * now, and is read anew when stepping resumes.
 * It reads only what a full walk would read, in the same order, so a kept
 * stack can be arbitrarily stale (coroutines, longjmp, an unmapped stack).
 *
 * Frames without a recipe (signal frames, odd expressions) are stepped with the
 * whole row of call frame information and never taken from the cache.
 */
#ifndef PRELOAD_STACK_CAPTURE_H
#define PRELOAD_STACK_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/session_format.h"
#include "compiler.h"
#include "stack_check.h"

#define FRAMES_KEPT	512	/* per thread; a walk goes no further out */
#define DEPTH_MAX	256
#define STACK_RANGES	8

/*
 * Registers of a frame: the state in a caller right after the call returns. An ip
 * that was interrupted, and is no return address, has FRAME_EXACT set.
 */
struct frame_regs {
	uintptr_t ip, sp, bp;
};

#define FRAME_EXACT STACK_EXACT_BIT

/* Two to a cache line: a verification reads ip, sp and slot of every frame. */
struct kept_frame {
	uintptr_t ip, sp, bp;
	uintptr_t slot;		/* from where the caller's bp was read, 0: it was left alone; | KEPT_* */
};

#define KEPT_USES_BP	1u	/* this frame's rule, or one further out, depends on bp */
#define KEPT_BARRIER	2u	/* the step outward cannot be verified by words in memory */
#define KEPT_GUESSED	4u	/* no unwind information: stepped by the frame pointer */
/* The caller's sp was read, too (a realigned stack): from bp + 8 * the 15 signed bits in between. */
#define KEPT_DEREF	(1ull << 63)
#define KEPT_DEREF_SHIFT 48
/* This frame's own rule depends on bp. */
#define KEPT_RULE_USES_BP (1ull << 47)
#define KEPT_SLOT	(KEPT_RULE_USES_BP - 8)

/* Address ranges of stacks that were found readable. */
struct stack_range {
	uintptr_t lo, hi;
};

struct frame_cache {
	int count;		/* frames kept */
	int barriers;		/* how many of them are barriers */
	int guesses;		/* how many of them are guessed */
	bool open;		/* frames further out than index 0 exist */
	bool partial;		/* the walk could not go on at index 0 */
	uint64_t base_hash;	/* of the frames further out than index 0 that were dropped */
	struct stack_range range[STACK_RANGES];	/* 0: the current one */
	struct kept_frame frame[FRAMES_KEPT];
	uint64_t hash[FRAMES_KEPT];	/* of all frames up to and including this one */
	struct kept_frame fresh[FRAMES_KEPT];	/* scratch, innermost first */
};

struct stack_view {
	uint64_t hash;		/* of the frames in view */
	uint32_t depth;		/* frames */
	uint32_t flags;		/* STACK_CUT, STACK_PARTIAL, STACK_GUESSED */
};

/*
 * Captures the stack that starts at @top into @c and describes its innermost
 * @depth frames. Async-signal-safe as long as @c is not in use.
 */
void stack_capture(struct frame_cache *c, const struct frame_regs *top, unsigned int depth,
		   struct stack_view *view);

/* The return address through which the frame whose sp is @sp was entered. */
static ALWAYS_INLINE uintptr_t stack_return_slot(uintptr_t sp)
{
	return *(const uintptr_t *)(sp - sizeof(uintptr_t));
}

static ALWAYS_INLINE bool stack_same_frame(const struct kept_frame *f, const struct frame_regs *r)
{
	return f->sp == r->sp && f->ip == r->ip && (!(f->slot & KEPT_USES_BP) || f->bp == r->bp);
}

/* From where frame @f's caller's sp was read, or 0. */
static ALWAYS_INLINE uintptr_t stack_deref_slot(const struct kept_frame *f)
{
	if (likely(!(f->slot & KEPT_DEREF)))
		return 0;
	return f->bp + (uintptr_t)((intptr_t)(f->slot << 1) >> (KEPT_DEREF_SHIFT + 1)) * 8;
}

/* Is frame @f's caller the frame that was kept outside of it? */
static ALWAYS_INLINE bool stack_same_caller(const struct kept_frame *f)
{
	uintptr_t slot = f->slot & KEPT_SLOT, deref = stack_deref_slot(f);

	if (unlikely(deref) && *(const uintptr_t *)deref != f[-1].sp)
		return false;
	return stack_return_slot(f[-1].sp) == f[-1].ip &&
	       (!(f[-1].slot & KEPT_USES_BP) || !slot || *(const uintptr_t *)slot == f[-1].bp);
}

/*
 * Frame @f is as it was. Follows the chain of slots outward, as far as @end at
 * most; returns the outermost frame that is still as it was.
 */
static ALWAYS_INLINE const struct kept_frame *stack_verify(const struct kept_frame *f,
							   const struct kept_frame *end)
{
	if (stack_check_trusting)
		return end;
	while (f > end && stack_same_caller(f))
		f--;
	return f;
}

/* Copies the frames of the last view, innermost first, as session_stack wants them. */
void stack_copy_frames(const struct frame_cache *c, uint32_t depth, uint64_t *out);

/* Are the frames of the last view these? */
bool stack_equals_frames(const struct frame_cache *c, uint32_t depth, const uint64_t *frames);

/* Forgets what was kept. */
void stack_cache_reset(struct frame_cache *c);

/* Tables of powers. Once. */
void stack_capture_init(void);

/* After code was unloaded: an unwinder's caches are stale too. */
void stack_capture_flush(void);

#endif

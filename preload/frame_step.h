// SPDX-License-Identifier: MIT
/*
 * frame_step.h - one step outward from a frame. The architecture lives behind
 * this: frame_step_x86_64.c steps with recipes and falls back to libunwind,
 * frame_step_generic.c always uses libunwind.
 */
#ifndef PRELOAD_FRAME_STEP_H
#define PRELOAD_FRAME_STEP_H

#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "compiler.h"
#include "stack_capture.h"

enum step_result {
	STEP_OK = 0,
	STEP_END = 1,		/* that was the outermost frame */
	STEP_LOST = 2,		/* no way to go on from here */
};

struct frame_walk {
	struct frame_cache *cache;
	bool slow_started;	/* libunwind's cursor is in use */
	unw_context_t context;
	unw_cursor_t cursor;
};

void frame_step_init(void);
void frame_step_flush(void);

/* A walk starts in a frame whose stack pointer is @sp. */
void frame_walk_begin(struct frame_walk *w, struct frame_cache *c, uintptr_t sp);
void frame_walk_end(struct frame_walk *w);

/* Notes the frame @r in @kept and moves @r to its caller. */
enum step_result frame_step(struct frame_walk *w, struct frame_regs *r, struct kept_frame *kept);

/* The same by libunwind's cursor alone (frame_step_slow.c). */
enum step_result frame_step_slow(struct frame_walk *w, struct frame_regs *r,
				 struct kept_frame *kept);

/* The return address through which the frame whose sp is @sp was entered: verified by re-reading. */
static ALWAYS_INLINE uintptr_t frame_return_slot(uintptr_t sp)
{
	return *(const uintptr_t *)(sp - sizeof(uintptr_t));
}

#endif

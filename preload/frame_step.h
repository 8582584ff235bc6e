// SPDX-License-Identifier: MIT
/*
 * frame_step.h - one step outward from a frame. The architecture lives behind
 * this: frame_step_x86_64.[ch] step with recipes and, where none fits, with the
 * whole row of call frame information; frame_step_generic.c uses libunwind.
 */
#ifndef PRELOAD_FRAME_STEP_H
#define PRELOAD_FRAME_STEP_H

#include "compiler.h"
#include "stack_capture.h"

#if defined(__x86_64__)
#include "cfi.h"
struct frame_cursor {
	struct cfi_regs regs;
};
#else
#define UNW_LOCAL_ONLY
#include <libunwind.h>
struct frame_cursor {
	unw_context_t context;
	unw_cursor_t unw;
};
#endif

enum step_result {
	STEP_OK = 0,
	STEP_END = 1,		/* that was the outermost frame */
	STEP_LOST = 2,		/* no way to go on from here */
};

struct frame_walk {
	struct frame_cache *cache;
	bool slow_started;		/* the cursor is in use: it only moves outward */
	struct frame_cursor cursor;	/* all registers, for frames without a recipe */
};

void frame_step_init(void);

/* After code was unloaded. */
void frame_step_flush(void);

/* A walk starts in a frame whose stack pointer is @sp. */
void frame_walk_begin(struct frame_walk *w, struct frame_cache *c, uintptr_t sp);

#if defined(__x86_64__)
#include "frame_step_x86_64.h"
#else
/* Notes the frame @r in @kept and moves @r to its caller. */
enum step_result frame_step(struct frame_walk *w, struct frame_regs *r, struct kept_frame *kept);
#endif

#endif

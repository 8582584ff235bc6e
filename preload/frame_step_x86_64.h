// SPDX-License-Identifier: MIT
/* frame_step_x86_64.h - the inlined half of frame_step_x86_64.c; included by frame_step.h. */
#ifndef PRELOAD_FRAME_STEP_X86_64_H
#define PRELOAD_FRAME_STEP_X86_64_H

#include "recipes.h"

/* Steps with any other recipe, or none. @rec is the frame's. */
__attribute__((noinline)) enum step_result frame_step_otherwise(struct frame_walk *w, recipe_t rec, struct frame_regs *r,
					   struct kept_frame *kept);

/* Makes sure that the current stack can be read up to @end. */
__attribute__((noinline)) bool frame_extend_range(struct frame_cache *c, uintptr_t end);

static ALWAYS_INLINE bool frame_readable(struct frame_cache *c, uintptr_t end)
{
	return likely(end <= c->range[0].hi) || frame_extend_range(c, end);
}

/* Notes the frame @r in @kept and moves @r to its caller. */
static ALWAYS_INLINE enum step_result frame_step(struct frame_walk *w, struct frame_regs *r,
						 struct kept_frame *kept)
{
	recipe_code_t code = recipe_code(r->ip);
	uintptr_t cfa = r->sp + recipe_simple_cfa_off(code), below = recipe_simple_bp_below(code);

	if (unlikely(!recipe_is_simple(code)) || unlikely(!frame_readable(w->cache, cfa)))
		return frame_step_otherwise(w, recipe_of(code), r, kept);
	kept->ip = r->ip;
	kept->sp = r->sp;
	kept->bp = r->bp;
	kept->slot = 0;
	if (below) {
		kept->slot = cfa - below;
		r->bp = *(const uintptr_t *)(cfa - below);
	}
	r->sp = cfa;
	r->ip = stack_return_slot(cfa);
	return likely(r->ip) ? STEP_OK : STEP_END;
}

#endif

// SPDX-License-Identifier: MIT
/* frame_step_generic.c - stepping on architectures without recipes: always libunwind. */
#include "frame_step.h"

void frame_step_init(void)
{
	unw_set_caching_policy(unw_local_addr_space, UNW_CACHE_GLOBAL);
}

void frame_step_flush(void)
{
	unw_flush_cache(unw_local_addr_space, 0, 0);
}

void frame_walk_begin(struct frame_walk *w, struct frame_cache *c, uintptr_t sp)
{
	(void)sp;
	w->cache = c;
	w->slow_started = false;
}

void frame_walk_end(struct frame_walk *w)
{
	(void)w;
}

enum step_result frame_step(struct frame_walk *w, struct frame_regs *r, struct kept_frame *kept)
{
	if (!w->slow_started)
		unw_getcontext(&w->context);
	return frame_step_slow(w, r, kept);
}

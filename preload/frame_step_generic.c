// SPDX-License-Identifier: MIT
/*
 * frame_step_generic.c - stepping on architectures without recipes: libunwind,
 * frame by frame. Nothing is spliced from the cache (every frame is a barrier).
 */
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

#if defined(__aarch64__)
#define UNW_FRAME_POINTER UNW_AARCH64_X29
#else
#define UNW_FRAME_POINTER UNW_REG_SP
#endif

static void read_regs(unw_cursor_t *cursor, struct frame_regs *r)
{
	unw_word_t ip = 0, sp = 0, bp = 0;

	unw_get_reg(cursor, UNW_REG_IP, &ip);
	unw_get_reg(cursor, UNW_REG_SP, &sp);
	unw_get_reg(cursor, UNW_FRAME_POINTER, &bp);
	*r = (struct frame_regs){ .ip = ip, .sp = sp, .bp = bp };
}

/* Brings the cursor to the frame @r; it only ever moves outward. */
static bool seek(struct frame_walk *w, const struct frame_regs *r)
{
	struct frame_regs at;

	if (!w->slow_started) {
		if (unw_init_local(&w->cursor.unw, &w->cursor.context) < 0)
			return false;
		w->slow_started = true;
	}
	for (int guard = 0; guard < FRAMES_KEPT * 2; guard++) {
		read_regs(&w->cursor.unw, &at);
		if (at.sp == r->sp && at.ip == (r->ip & ~FRAME_EXACT))
			return true;
		/* A signal handler on its own stack calls from anywhere, so addresses don't order frames. */
		if (unw_step(&w->cursor.unw) <= 0)
			return false;
	}
	return false;
}

enum step_result frame_step(struct frame_walk *w, struct frame_regs *r, struct kept_frame *kept)
{
	bool interrupted;
	int ret;

	*kept = (struct kept_frame){ .ip = r->ip, .sp = r->sp, .bp = r->bp,
				     .slot = KEPT_USES_BP | KEPT_BARRIER };
	if (!w->slow_started)
		unw_getcontext(&w->cursor.context);
	if (!seek(w, r))
		return STEP_LOST;
	interrupted = unw_is_signal_frame(&w->cursor.unw) > 0;
	ret = unw_step(&w->cursor.unw);
	if (ret <= 0)
		return ret ? STEP_LOST : STEP_END;
	read_regs(&w->cursor.unw, r);
	if (!r->ip)
		return STEP_END;
	if (interrupted)
		r->ip |= FRAME_EXACT;
	return STEP_OK;
}

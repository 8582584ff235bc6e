// SPDX-License-Identifier: MIT
/* frame_step_slow.c - stepping with libunwind: any frame it can express, on any architecture. */
#include <string.h>

#include "frame_step.h"

#if defined(__x86_64__)
#define UNW_FRAME_POINTER UNW_X86_64_RBP
#elif defined(__aarch64__)
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
		if (unw_init_local(&w->cursor, &w->context) < 0)
			return false;
		w->slow_started = true;
	}
	for (int guard = 0; guard < FRAMES_KEPT * 2; guard++) {
		read_regs(&w->cursor, &at);
		if (at.sp == r->sp && at.ip == r->ip)
			return true;
		/* A signal handler on its own stack calls from anywhere, so addresses don't order frames. */
		if (unw_step(&w->cursor) <= 0)
			return false;
	}
	return false;
}

enum step_result frame_step_slow(struct frame_walk *w, struct frame_regs *r, struct kept_frame *kept)
{
	bool interrupted;

	*kept = (struct kept_frame){ .ip = r->ip, .sp = r->sp, .bp = r->bp, .exact = r->exact,
				     .uses_bp = 1, .barrier = 1 };
	if (!seek(w, r))
		return STEP_LOST;
	interrupted = unw_is_signal_frame(&w->cursor) > 0;
	if (unw_step(&w->cursor) <= 0)
		return STEP_LOST;
	read_regs(&w->cursor, r);
	r->exact = interrupted;
	return r->ip ? STEP_OK : STEP_END;
}

// SPDX-License-Identifier: MIT
/* live_view_private.h - what the parts of live_view.h share. */
#ifndef PRELOAD_LIVE_VIEW_PRIVATE_H
#define PRELOAD_LIVE_VIEW_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "preload/live_view.h"
#include "report/symbolize.h"

struct live_view {
	const struct settings *settings;
	struct symbolizer *symbolizer;
	FILE *out;		/* NULL: no text is to be printed (any more) */
	bool colour;
	size_t announced;	/* sessions */
	size_t kept;		/* sessions of processes that have ended, for the server */
	struct beside *beside;
};

/*
 * Is the memory itself gone, so that nothing can be freed any more, however young
 * it is? Not when only the recording has ended.
 */
bool live_over(const struct followed *one);

/* "11:16:33" */
void live_clock(char *text, size_t size);

/*
 * The session that shows what the processes hold: as of now, and when they are
 * gone, as of the last time when they were not. NULL: none.
 */
struct session *live_kernel_part(const struct live_view *view, const struct follow *follow);

/* What the processes hold in the kernel now, and at the end of the watching. */
void live_kernel_print(const struct live_view *view);
void live_kernel_print_last(const struct live_view *view, const struct follow *follow);

#endif

// SPDX-License-Identifier: MIT
/*
 * trace_view.h - prints the calls that a session's trace ring holds (memleak -t).
 *
 * The ring is lossy: what the program overwrote before it was printed is
 * counted, and the count is printed where the calls are missing. Belongs to one
 * thread.
 */
#ifndef PRELOAD_TRACE_VIEW_H
#define PRELOAD_TRACE_VIEW_H

#include <stdint.h>
#include <stdio.h>

#include "common/session_reader.h"

/* At most so many calls are printed at once. */
#define TRACE_VIEW_BATCH 512

/*
 * Prints events from number *next on, and advances it. The number of events
 * printed (TRACE_VIEW_BATCH: there may be more) or -errno.
 *
 *	[11:16:33.123456] pid 5193 tid 5194 malloc addr = 948cd0 size = 16
 */
int trace_view_print(struct session *s, uint64_t *next, FILE *out);

#endif

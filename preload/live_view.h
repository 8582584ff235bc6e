// SPDX-License-Identifier: MIT
/*
 * live_view.h - what memleak prints on standard output while it watches, and at
 * the end: through the report library, one block per process.
 *
 * Once standard output has failed (the reader of a pipe is gone) nothing more is
 * printed. Belongs to one thread.
 */
#ifndef PRELOAD_LIVE_VIEW_H
#define PRELOAD_LIVE_VIEW_H

#include <stdbool.h>

#include "preload/beside.h"
#include "preload/follow.h"
#include "preload/settings.h"
#include "report/report.h"

struct live_view;

/*
 * The settings are kept, not copied. sysroot: as in symbolize.h. 0 or -errno.
 */
int live_view_new(const struct settings *settings, const char *sysroot, struct live_view **out);
void live_view_free(struct live_view *view);	/* NULL is allowed */

/* What the processes hold in the kernel belongs to the reports, too. Borrowed; NULL for none. */
void live_view_beside(struct live_view *view, struct beside *beside);

/* The line that tells a process is traced now, for each new one. */
void live_view_announce(struct live_view *view, struct follow *follow);

/* Prints the traced calls. True: there are more to print at once. */
bool live_view_trace(struct live_view *view, struct follow *follow);

/*
 * What is outstanding now. A process that has ended since is shown a last time,
 * whole, and its session closed. False: there was no session to report on yet.
 */
bool live_view_interval(struct live_view *view, struct follow *follow);

/*
 * One report over the processes that are watched, as of now; for report_free().
 * 0, -ENOENT: there is no session yet, or -errno.
 */
int live_view_combined(struct live_view *view, struct follow *follow, struct report **out);

/*
 * The report at the end of the watching: as text, and to the outputs that the
 * settings want. only_ended: text only for processes that have ended since the last
 * interval report. 0 or -errno, after having said why, when one was not written.
 */
int live_view_final(struct live_view *view, struct follow *follow, bool only_ended);

#endif

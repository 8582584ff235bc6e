// SPDX-License-Identifier: MIT
/*
 * watch.h - the loop of memleak: waits for the target, for new sessions, and for
 * the time of the next report. One at a time, from the main thread.
 */
#ifndef PRELOAD_WATCH_H
#define PRELOAD_WATCH_H

#include "preload/follow.h"
#include "preload/live_view.h"
#include "preload/settings.h"
#include "preload/target.h"
#include "report/live_server.h"

/*
 * Runs until the target's watching is over; prints everything but the final
 * report, and serves it (server: NULL for none). *enough: it is over because all interval reports that were asked for
 * are printed. 0 or -errno.
 */
int watch_run(const struct settings *settings, struct target *target, struct follow *follow,
	      struct live_view *view, struct live_server *server, bool *enough);

#endif

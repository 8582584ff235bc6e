// SPDX-License-Identifier: MIT
/*
 * launch.h - a program run with libleak.so preloaded, as a target: passes signals
 * on to it, and learns how it ended.
 *
 * The program stays in memleak's process group and keeps its terminal, so that
 * what the terminal sends (Ctrl-C, Ctrl-Z) reaches both by itself. Only what was
 * sent to memleak alone is passed on: SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1,
 * SIGUSR2, SIGTSTP and SIGCONT. A program that goes on as a daemon is watched on,
 * until it ends or one of the first four is sent to memleak.
 *
 * One launch at a time, from the main thread: dispositions and mask of signals
 * are changed from begin() to end().
 */
#ifndef PRELOAD_LAUNCH_H
#define PRELOAD_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "preload/target.h"

/*
 * Called once the process exists that is to execute the program, which waits for it.
 * Not 0: it is not to be executed; the reason has been said.
 */
typedef int launch_before_fn(void *arg, pid_t pid);

/* Called when a child has ended that may be another than the program. */
typedef void launch_child_fn(void *arg);

/*
 * argv: the program, looked for along PATH, and its arguments; kept, not copied.
 * The target ends when the program has ended; end() returns its status, or
 * 128 + the signal that killed it. begin() fails with 127 when there is no such
 * program, 126 when it cannot be executed, 1 when it cannot be recorded.
 * preload: under libleak.so; else as it is. daemons: they are watched on (orphans.h).
 * before, other_child: NULL for nothing to do. A static object: nothing to free.
 */
struct target *launch_target(char *const *argv, bool preload, bool daemons, launch_before_fn *before,
			     launch_child_fn *other_child, void *arg);

#endif

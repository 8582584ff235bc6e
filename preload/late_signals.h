// SPDX-License-Identifier: MIT
/*
 * late_signals.h - signals that come when the watching is over and memleak writes its
 * last report.
 *
 * Whoever asks memleak to end wants that report, and cannot know that the program has
 * ended by itself a moment before; and timeout(1) sends its signal twice. So the first
 * of SIGINT, SIGTERM, SIGHUP and SIGQUIT is only answered on standard error. The next
 * one ends memleak at once: names may take long to be looked up. SIGUSR1 and SIGUSR2
 * have no effect any more.
 *
 * What is ignored stays ignored. For the main thread of a command, once.
 */
#ifndef PRELOAD_LATE_SIGNALS_H
#define PRELOAD_LATE_SIGNALS_H

/* From now on; before signals that were blocked during the watching are unblocked. */
void late_signals_catch(void);

#endif

// SPDX-License-Identifier: MIT
/* stop.h - ending on Ctrl-C: a flag, and sleeps that it cuts short. For commands. */
#ifndef KAGENT_STOP_H
#define KAGENT_STOP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * SIGINT, SIGTERM, SIGHUP set the flag from now on; another one a second later or more
 * ends the program. SIGPIPE sets it, too, however often it comes.
 */
void stop_on_signals(void);
bool stop_wanted(void);

/* CLOCK_MONOTONIC, ns. */
uint64_t stop_now_ns(void);

/* Sleeps until that moment, or until stop is wanted. */
void stop_sleep_until(uint64_t ns);

#endif

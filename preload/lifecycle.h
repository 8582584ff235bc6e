// SPDX-License-Identifier: MIT
/*
 * lifecycle.h - when recording begins and ends in a process.
 *
 *	NEW ──first event (environment there)──► STARTING ──► LIVE ──exit──► OFF
 *	                                             ▲          │
 *	                                             └─ forked ─┘  (gate wiped by the kernel)
 *
 * Nothing here ever ends the process or waits for another thread. A session that
 * cannot be had turns recording OFF, says so once on stderr, and the program
 * runs on.
 */
#ifndef PRELOAD_LIFECYCLE_H
#define PRELOAD_LIFECYCLE_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/session_format.h"

/* The gate is closed: opens it if this process is to record. True: it is open now. */
bool lifecycle_start(void);

/* Ends recording and the session, and prints the report if that is wanted. Once; later calls do nothing. */
void lifecycle_end(enum session_end reason, int status);

#endif

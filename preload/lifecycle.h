// SPDX-License-Identifier: MIT
/*
 * lifecycle.h - when recording begins and ends in a process.
 *
 *	NEW ──first event (environment there)──► STARTING ──► LIVE ──exit──► OFF
 *	  │                                          ▲
 *	  ├──(no session asked for by name)► READY ──┘ first event; exit, for the report
 *	  │                                          ▲ ▲        │                     ▲
 *	  │ (loaded late)                    attach ─┘ └─ forked┘ (the kernel wiped   │
 *	  └──► DORMANT ◄──────────────── ENDING ◄─── detach ────┘  the gate)  failed ─┘
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

/*
 * Was recording begun, here or in the process that this one was forked from, or may
 * any event begin it?
 */
bool lifecycle_started(void);

/*
 * Before attaching: ends an attached recording whose reader is gone, and forgets
 * the one of the process that this one was forked from. 0; -EBUSY: there is another;
 * -EAGAIN: a thread is still in the last one.
 */
int lifecycle_make_ready(void);

/*
 * Attached to a running program (libleak_attach): starts a recording with these
 * settings instead of the environment's, and tells where its session is. May be
 * called again after lifecycle_detach(). 0, -EBUSY (recording already), -errno.
 */
int lifecycle_attach(const char *settings, const char **session_path);

/* Why there is no session, and what would help, in words. */
const char *lifecycle_reason(int err);

/*
 * Ends an attached recording and lets go of the session, whose file stays. True.
 * False: a thread was still inside the recorder after @wait_ms; nothing more is
 * recorded, but the session stays mapped until another call finds no thread there.
 */
bool lifecycle_detach(unsigned wait_ms);

/* @fn is called, outside the recorder, by a thread that finds that the watcher has died. */
void lifecycle_on_reader_gone(void (*fn)(void));

/* Ends recording and the session, and prints the report if that is wanted. Once; later calls do nothing. */
void lifecycle_end(enum session_end reason, int status);

#endif

// SPDX-License-Identifier: MIT
/*
 * joined.h - is a process being recorded already, preloaded or attached to? Then
 * its session is mapped into it, and can be read without touching the process.
 * To be asked in turn (turn.h).
 */
#ifndef PRELOAD_JOINED_H
#define PRELOAD_JOINED_H

#include <sys/types.h>

/*
 * The session that the process maps and writes, open for reading; -ENOENT: there
 * is none. Thread-safe.
 */
int joined_session(pid_t pid);

#endif

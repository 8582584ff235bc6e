// SPDX-License-Identifier: MIT
/*
 * held.h - lets go on what a kagent that was killed has left stopped. Source: proc(5).
 * Thread-safe.
 */
#ifndef PRELOAD_HELD_H
#define PRELOAD_HELD_H

#include <sys/types.h>

/* A process and its children, as far as they are stopped. */
void held_release(pid_t pid);

#endif

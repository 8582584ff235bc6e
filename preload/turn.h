// SPDX-License-Identifier: MIT
/*
 * turn.h - one memleak at a time attaches to a process or detaches from it.
 *
 * The lock is on the process's directory in /proc (flock(2)), so that nothing has
 * to be made or removed, and it is held by a descriptor: children inherit it, and
 * it ends with the last process that has it, however that ends. Who sees the
 * process through another mount of /proc does not see the lock.
 */
#ifndef PRELOAD_TURN_H
#define PRELOAD_TURN_H

#include <sys/types.h>

/*
 * Waits until nobody else has a turn at the process. A descriptor that is closed
 * at the end of the turn; -ETIMEDOUT, or -errno: no lock is to be had (perhaps
 * because the process has ended). Thread-safe.
 */
int turn_take(pid_t pid, int timeout_ms);

#endif

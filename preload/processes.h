// SPDX-License-Identifier: MIT
/* processes.h - finds running processes by name. Thread-safe. */
#ifndef PRELOAD_PROCESSES_H
#define PRELOAD_PROCESSES_H

#include <stddef.h>
#include <sys/types.h>

/*
 * The processes, but for the calling one, whose name (comm, 15 characters at
 * most) is `name`, ascending. *pids is for free(). 0, -ESRCH: none, -ENOMEM, or
 * -errno of /proc.
 */
int processes_named(const char *name, pid_t **pids, size_t *count);

#endif

// SPDX-License-Identifier: MIT
/*
 * outer_pid.h - finds processes of inner pid namespaces: a session holds the pid
 * that its process knows itself by. Thread-safe. Source: proc(5), NSpid.
 */
#ifndef PRELOAD_OUTER_PID_H
#define PRELOAD_OUTER_PID_H

#include <stdint.h>
#include <sys/types.h>

/* The pid, here, of the process with pid `inner` in its own namespace; 0: none. */
pid_t outer_pid_find(pid_t inner, uint64_t start_ticks);

#endif

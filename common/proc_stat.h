// SPDX-License-Identifier: MIT
/*
 * proc_stat.h - what /proc/PID/stat says of a process or a thread (proc(5)).
 *
 * Thread-safe.
 */
#ifndef COMMON_PROC_STAT_H
#define COMMON_PROC_STAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
	char name[64];		/* of the main thread; may hold anything */
	char state;		/* R, S, D, T (stopped), t (traced), Z, X, ... */
	pid_t parent, session;
	uint64_t start_ticks;	/* clock ticks (sysconf(_SC_CLK_TCK)) since boot */
};

/* 0 or -errno (-EBADMSG: it is not understood); *out is untouched on failure. */
int proc_stat_read(pid_t pid, struct proc_stat *out);
int proc_stat_read_thread(pid_t pid, pid_t tid, struct proc_stat *out);

/* Has it ended, perhaps without having been waited for? */
bool proc_stat_is_over(const struct proc_stat *s);

/* Does this very process run: is it the one of this pid that started then? */
bool proc_stat_runs(pid_t pid, uint64_t start_ticks);

#endif

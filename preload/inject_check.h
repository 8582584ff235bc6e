// SPDX-License-Identifier: MIT
/*
 * inject_check.h - tells beforehand why a process cannot be attached to, and
 * what would help. Sources: proc(5), elf(5).
 *
 * Thread-safe. The answers are of the moment: the process runs on.
 */
#ifndef PRELOAD_INJECT_CHECK_H
#define PRELOAD_INJECT_CHECK_H

#include "inject_why.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* What /proc/PID/status says. */
struct inject_status {
	pid_t tgid, ppid, tracer;
	uid_t uids[3];		/* real, effective, saved */
	gid_t gids[3];
	uint64_t cap_prm, cap_eff;
	char state;		/* R S D T t Z X I */
	int seccomp;		/* 0 off, 1 strict, 2 filter */
	bool user_memory;	/* false for kernel threads and zombies */
	bool shadow_stack;	/* of this thread (x86_Thread_features: shstk) */
	char name[64];
};

/* 0, or -ESRCH. `pid` may be a thread. */
int inject_read_status(pid_t pid, struct inject_status *status);

/* The same from a file in the format of /proc/PID/status. */
int inject_parse_status(FILE *f, struct inject_status *status);

/* -EBUSY and its sentence. */
int inject_because_traced(pid_t pid, const struct inject_status *s, struct inject_why *why);

/* -ENOTSUP and its sentence: what a call returns to would have to be on the shadow stack, too. */
int inject_because_shadow_stack(pid_t pid, struct inject_why *why);

/*
 * 0 when nothing speaks against injecting into the process; else
 *	-ESRCH		no such process, or it has just ended
 *	-EPERM		not allowed
 *	-EBUSY		another tracer has it
 *	-ENOTSUP	cannot be injected whatever the rights (static, kernel thread, ...)
 *	-EAGAIN		not now (stopped, frozen)
 */
int inject_check(pid_t pid, struct inject_why *why);

#endif

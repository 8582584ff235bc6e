// SPDX-License-Identifier: MIT
/*
 * inject_check.h - tells beforehand why a process cannot be attached to, and
 * what would help. Sources: proc(5), ptrace(2) "Ptrace access mode checking",
 * the kernel's Documentation/admin-guide/LSM/Yama.rst, elf(5).
 *
 * Thread-safe. The answers are of the moment: the process runs on.
 */
#ifndef PRELOAD_INJECT_CHECK_H
#define PRELOAD_INJECT_CHECK_H

#include "inject_why.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/* What /proc/PID/status says. */
struct inject_status {
	pid_t tgid, ppid, tracer;
	uid_t uid, euid;
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

/* The sentence for a ptrace call or an open of /proc/PID/mem that was refused with `err`. */
int inject_explain_refusal(pid_t pid, int err, struct inject_why *why);

#endif

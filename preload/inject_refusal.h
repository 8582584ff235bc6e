// SPDX-License-Identifier: MIT
/*
 * inject_refusal.h - why the kernel does not let one process trace another, and
 * what would help. Sources: ptrace(2) "Ptrace access mode checking", the kernel's
 * kernel/ptrace.c (__ptrace_may_access), security/commoncap.c, and
 * Documentation/admin-guide/LSM/Yama.rst.
 *
 * Thread-safe. The answers are of the moment: the process runs on.
 */
#ifndef PRELOAD_INJECT_REFUSAL_H
#define PRELOAD_INJECT_REFUSAL_H

#include "inject_check.h"

/* What the sentence is made of. */
struct refusal {
	pid_t pid;
	int err;			/* -EPERM or -EACCES */
	struct inject_status theirs, mine;
	int yama_scope;			/* kernel.yama.ptrace_scope, 0: or no yama */
	bool other_user_namespace;
	char label[64];			/* memleak's AppArmor or SELinux context, "": unconfined */
};

/* Formats the sentence and returns -EPERM. */
int refusal_explain(const struct refusal *r, struct inject_why *why);

/*
 * The sentence for a ptrace call, or an open of a file of /proc/PID, that was refused with
 * `err`. -EPERM; -ESRCH: the process has just ended; -EBUSY: another tracer has it; else `err`.
 */
int inject_explain_refusal(pid_t pid, int err, struct inject_why *why);

#endif

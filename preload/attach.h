// SPDX-License-Identifier: MIT
/*
 * attach.h - memleak -p: records processes that run already, through a keeper
 * for each, and lets them go as they were. One at a time, from the main thread.
 */
#ifndef PRELOAD_ATTACH_H
#define PRELOAD_ATTACH_H

#include "preload/target.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct attach_options {
	const pid_t *pids;
	size_t pid_count;
	const char *pattern;	/* where sessions are looked for (follow.h); kept by the caller */
	bool keep_sessions;	/* the pattern is the user's: the program itself makes the file */
	int timeout_ms;		/* for finding a safe moment; 0: 10 s */
};

/*
 * Where the files of a process in another mount namespace, or under another root
 * directory, are found, as long as this process runs; else the empty string.
 */
void attach_sysroot(pid_t pid, char sysroot[64]);

/* The options are kept, not copied. NULL: no memory. One per process. */
struct target *attach_target(const struct attach_options *options);

#endif

// SPDX-License-Identifier: MIT
/*
 * attach.h - memleak -p: records processes that run already, and lets them go as
 * they were: through a keeper for each, which loads libleak.so, or by probes where
 * that cannot be (engine.h). One at a time, from the main thread.
 */
#ifndef PRELOAD_ATTACH_H
#define PRELOAD_ATTACH_H

#include "preload/probes.h"
#include "preload/settings.h"
#include "preload/target.h"

#include <sys/types.h>

struct attach_options {
	const struct settings *settings;	/* pids and more */
	const char *pattern;	/* where sessions are looked for (follow.h) */
	struct probes *probes;
};

/*
 * Where the files of a process in another mount namespace, or under another root
 * directory, are found, as long as this process runs; else the empty string.
 */
void attach_sysroot(pid_t pid, char sysroot[64]);

/* The options, and what they point to, are kept, not copied. NULL: no memory. One per process. */
struct target *attach_target(const struct attach_options *options);

#endif

// SPDX-License-Identifier: MIT
/*
 * target.h - what memleak watches: a program that it launched, or processes that
 * it attached to. Each kind makes a target; the rest of memleak knows only this.
 *
 * A target decides when the watching is over; the sessions of its processes are
 * found by follow.h, by the pattern that the recording settings name.
 */
#ifndef PRELOAD_TARGET_H
#define PRELOAD_TARGET_H

#include <stdbool.h>

struct target;

struct target_ops {
	/*
	 * Starts the recording with these LIBLEAK settings. 0, or a status for
	 * exit() after having said on stderr what went wrong.
	 */
	int (*begin)(struct target *t, const char *recording);
	/* Does what is due when `fd` is readable. True: the watching is over. */
	bool (*event)(struct target *t);
	/* As many reports as were asked for are printed. True: the watching is over. */
	bool (*enough)(struct target *t);
	/*
	 * After the watching: stops the recording where the target runs on. Signals
	 * have their usual effect afterwards. The status memleak is to exit with.
	 */
	int (*end)(struct target *t);
};

/* The first member of each kind of target. */
struct target {
	const struct target_ops *ops;
	int fd;			/* to poll for input; valid after begin() */
};

#endif

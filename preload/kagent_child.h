// SPDX-License-Identifier: MIT
/*
 * kagent_child.h - kagent as a child of memleak: it ends with memleak, and what the
 * terminal sends is not for it. Belongs to one thread.
 */
#ifndef PRELOAD_KAGENT_CHILD_H
#define PRELOAD_KAGENT_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct kagent_child {
	pid_t pid;	/* 0: has ended */
	int in, out;	/* its standard input (-1: none) and output */
};

/*
 * Runs kagent with these words (the first is its name) and returns when it has
 * written its first line, which says that it records. with_input: it has a standard
 * input. 0; -ECANCELED after it has said on stderr why it cannot; or -errno.
 */
int kagent_child_start(struct kagent_child *c, char **words, bool with_input);

/* Lets it end, and waits; it is killed when that takes too long. Safe to call again. */
void kagent_child_end(struct kagent_child *c);

#endif

// SPDX-License-Identifier: MIT
/*
 * beside.h - kagent beside the program that memleak watches: started and stopped as
 * a child, and its latest session, of what the program's processes hold in the kernel.
 *
 * Belongs to one thread.
 */
#ifndef PRELOAD_BESIDE_H
#define PRELOAD_BESIDE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/session_reader.h"

struct beside;

struct beside_options {
	const char *dir;	/* for its sessions; may be removed after beside_stop() */
	const pid_t *pids;	/* the processes, */
	size_t pid_count;
	bool children;		/* and those that they fork */
	uint64_t interval_ns;	/* between sessions */
	uint64_t older_ns;	/* what is younger isn't looked up in its slab */
};

/*
 * Starts kagent and returns when it records. -errno after kagent or this has said
 * on stderr why it cannot.
 */
int beside_start(const struct beside_options *options, struct beside **out);

/* Takes the latest session, if there is a newer one; beside_session() changes then. */
void beside_refresh(struct beside *b);

/* Lets kagent end and waits for it and for its last session: beside_after(). */
void beside_stop(struct beside *b);

void beside_free(struct beside *b);	/* stops it, too; NULL is allowed */

/* What was taken last by beside_refresh(); NULL: none yet, or b is NULL. */
struct session *beside_session(const struct beside *b);

/* As of beside_stop(); NULL: none. */
struct session *beside_after(const struct beside *b);

/*
 * Keeps the session that was taken last (else the one of the end) as `path`, before
 * the directory is removed. 0 or -errno.
 */
int beside_keep(const struct beside *b, const char *path);

#endif

// SPDX-License-Identifier: MIT
/*
 * orphans.h - what a launched program leaves behind: processes whose parents have
 * ended become children of memleak (PR_SET_CHILD_SUBREAPER, prctl(2)). So a daemon is
 * found, and its end is learned.
 *
 * Belongs to one thread. Without /proc/PID/task/TID/children (CONFIG_PROC_CHILDREN)
 * there are none.
 */
#ifndef PRELOAD_ORPHANS_H
#define PRELOAD_ORPHANS_H

#include <stddef.h>
#include <sys/types.h>

#define ORPHANS_OWN	16

struct orphans {
	pid_t own[ORPHANS_OWN];	/* children that memleak has made */
	size_t own_count;
	pid_t session;		/* memleak's */
};

/* From now on. The children that there are by now are memleak's own. */
void orphans_begin(struct orphans *o);

/* Takes notice of those that have ended, but for one that somebody else waits for. */
void orphans_reap(const struct orphans *o, pid_t but);

/*
 * A daemon: an orphan of this name (comm) that has made itself the leader of a session
 * of its own, or is in one. One that may be about to is given a moment. 0: there is none.
 */
pid_t orphans_daemon(const struct orphans *o, const char *name);

/* The name of a process, also of one that has ended and not been waited for. */
void orphans_name(pid_t pid, char name[64]);

#endif

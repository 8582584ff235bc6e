// SPDX-License-Identifier: MIT
/*
 * follow.h - the sessions of the traced processes: finds them as they appear,
 * and tells which processes still run.
 *
 * libleak.so makes one session per process image, all named after one pattern
 * (LIBLEAK output=), in one directory, which is watched with inotify.
 *
 * Belongs to one thread.
 */
#ifndef PRELOAD_FOLLOW_H
#define PRELOAD_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/session_reader.h"
#include "common/timeline.h"

struct follow;

enum followed_state {
	FOLLOWED_STARTING,	/* no header yet; session is NULL */
	FOLLOWED_RUNNING,
	FOLLOWED_ENDED,		/* the process image is gone: nothing can be freed any more */
	FOLLOWED_DONE,		/* closed by follow_done(), or no session; session is NULL */
};

/* One session. The fields below `tries` are the user's: zero at first. */
struct followed {
	struct followed *next;	/* in order of appearance */
	char *path;
	enum followed_state state;
	struct session *session;
	bool replaced;		/* ENDED because the process executed another program */
	unsigned int tries;	/* to open it */
	pid_t outer_pid;	/* of a process in a pid namespace of its own; 0: in ours */

	const struct follow *of;

	bool announced, shown;
	uint32_t pid;		/* from the header, known once announced */
	uint64_t start_ticks;
	struct timeline *timeline;	/* freed with the rest; see growth.h */
	uint64_t trace_next;	/* number of the next trace event to print */
};

/*
 * Watches for sessions that will be named after `pattern`: an absolute path, as
 * in LIBLEAK output=, whose last component may hold %p, %n and %%. What is there
 * already is ignored. 0 or -errno.
 */
int follow_open(const char *pattern, struct follow **out);

/*
 * Some sessions are written by somebody else for their processes: they are asked for
 * before they are looked at.
 */
enum follow_writes {
	FOLLOW_NOT_WRITTEN,	/* by this writer: the process does itself */
	FOLLOW_MORE,		/* there may be more to come */
	FOLLOW_COMPLETE,
};
typedef enum follow_writes follow_writer_fn(void *arg, const struct session_header *header);
void follow_ask(struct follow *f, follow_writer_fn *writer, void *arg);

/* Removes nothing from disk; NULL is allowed. */
void follow_close(struct follow *f);

/* Readable when there may be a new session. */
int follow_fd(const struct follow *f);

/* Takes in what has appeared since. 0 or -errno; what it could take in is in the list then, too. */
int follow_update(struct follow *f);

/*
 * Is there a session without a header yet, so that it is worth to update again
 * soon? Not any more once that has been tried a few hundred times.
 */
bool follow_is_starting(const struct follow *f);

/* The first of the list; sessions never leave it before follow_close(). */
struct followed *follow_first(const struct follow *f);

/* Reads what the writer has added, and finds out whether it still runs. */
void follow_refresh(struct followed *one);

/* Closes the session, which will not be looked at again. */
void follow_done(struct followed *one);

#endif

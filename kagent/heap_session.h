// SPDX-License-Identifier: MIT
/*
 * heap_session.h - keeps the session of a process whose heap heap_tracer.h follows: a
 * live file that says, after each sync, what is outstanding at that moment.
 * One thread at a time.
 */
#ifndef KAGENT_HEAP_SESSION_H
#define KAGENT_HEAP_SESSION_H

#include "kagent/heap_inherited.h"
#include "kagent/heap_regions.h"
#include "kagent/heap_tracer.h"
#include "kagent/process_image.h"

struct heap_session;

struct heap_session_facts {
	uint32_t image;		/* whose blocks these are */
	uint64_t min_size, max_size;	/* bytes; max 0: no limit */
	uint32_t depth;
	const char *cmdline;	/* of a program that may have ended before it is looked at; NULL */
	struct heap_inherited *inherited;	/* of a forked child, the caller's; or NULL, */
	const struct heap_regions *regions;	/* the caller's; or NULL */
	uint32_t parent_pid;	/* and whose child it is */
	uint64_t parent_start_ticks;
};

/* Creates the file. t and p are the caller's and outlive the session. 0 or -errno. */
int heap_session_open(const char *path, const struct heap_session_facts *facts,
		      struct heap_tracer *t, struct process_image *p, struct heap_session **out);

/* As in the session's header. */
uint64_t heap_session_start_ticks(const struct heap_session *s);

/* Appends to the trace; and what of it is new to the file. 0 or -errno. */
void heap_session_trace(struct heap_session *s, const struct ku_event *e);
int heap_session_sync_trace(struct heap_session *s);

/* Brings the file up to date. 0 or -errno. */
int heap_session_sync(struct heap_session *s);

/* The same for the last time; status: of exit(). Frees s in any case. 0 or -errno. */
int heap_session_close(struct heap_session *s, enum session_end reason, int status);

/*
 * How many of the distinct stacks look cut, their last frame not being where programs
 * and threads begin, and how many there are.
 */
void heap_session_cut(const struct heap_session *s, size_t *cut, size_t *all);

#endif

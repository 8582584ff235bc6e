// SPDX-License-Identifier: MIT
/*
 * heap_family.h - a process whose heap is recorded, its children, and what they execute:
 * finds whose malloc each of them calls, and keeps a session for each program image. One
 * thread at a time.
 */
#ifndef KAGENT_HEAP_FAMILY_H
#define KAGENT_HEAP_FAMILY_H

#include "kagent/allocator_choice.h"
#include "kagent/heap_session.h"
#include "kagent/heap_tracer.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct heap_family;

struct heap_family_settings {
	struct heap_tracer_settings tracer;
	const char *program;		/* that the process is about to execute; NULL: it runs */
	const char *cmdline;		/* and how; NULL: see /proc */
	const char *object;		/* whose allocator; NULL: what the loader finds */
	const char *path;		/* of the process's session */
	const char *pattern;		/* of the names of its children's; NULL: none are followed */
	const char *command;		/* in whose name something is said on stderr */
};

/*
 * Finds the allocator and probes it; the recording begins. All strings are kept, not
 * copied. 0, or -errno after a sentence in *why that says what is in the way.
 */
int heap_family_open(const struct heap_family_settings *settings, struct heap_family **out,
		     char *why, size_t why_size);

/* Ends the recording: each session is complete. 0 or -errno. */
int heap_family_close(struct heap_family *f);
void heap_family_free(struct heap_family *f);	/* NULL is allowed */

/* Whose functions are probed, and by how many probes. */
const char *heap_family_allocator(const struct heap_family *f);
size_t heap_family_probes(const struct heap_family *f);

/* Readable when it is time to look. */
int heap_family_fd(const struct heap_family *f);

/*
 * Takes notice of what has become of the processes, and lets those go on that have been
 * stopped for it. 0 or -errno.
 */
int heap_family_look(struct heap_family *f);

/* Does any of them still run? */
bool heap_family_runs(const struct heap_family *f);

enum heap_family_has {
	FAMILY_KNOWS_NONE,	/* no process of that pid */
	FAMILY_HAS_ENDED,	/* its sessions are complete */
	FAMILY_RUNS,
};

/*
 * Brings the session of a process up to date (pid 0: all sessions), after a look.
 * *has may be NULL. 0 or -errno.
 */
int heap_family_sync(struct heap_family *f, pid_t pid, enum heap_family_has *has);

/* Of all sessions; see heap_session_cut(). */
void heap_family_cut(const struct heap_family *f, size_t *cut, size_t *all);

#endif

// SPDX-License-Identifier: MIT
/* heap_family_private.h - what the parts of heap_family.h share. */
#ifndef KAGENT_HEAP_FAMILY_PRIVATE_H
#define KAGENT_HEAP_FAMILY_PRIVATE_H

#include "kagent/heap_family.h"

#include "kagent/family_probes.h"
#include "kagent/heap_overhead.h"

#define FAMILY_ROOT	1u		/* image of the process that was asked for */

/* One program image. */
struct member {
	struct ku_process p;		/* as it was seen last */
	struct process_image image;
	struct heap_inherited inherited;
	struct heap_session *session;
	char *path;			/* of the session */
	uint32_t released;		/* KU_HELD_*: it has been let go on */
	uint32_t loads;			/* when its modules were looked at, */
	uint64_t looked_ns;
	bool met, told;			/* told: the tracer, how its code is unwound */
	struct heap_regions regions;
	bool ended, final;		/* final: all that it forked is known */
	bool by_exec, unknown;		/* unknown: whose malloc it calls */
	int status;
	uint64_t cpu_start, cpu;	/* ns */
	uint32_t parent_pid;
	uint64_t start_ticks, parent_start_ticks;
};

struct heap_family {
	struct heap_family_settings s;
	struct heap_tracer *tracer;
	struct code_layouts *layouts;
	struct family_probes *probes;
	struct member **list;		/* ascending by image */
	size_t count, room;
	uint32_t changes;
	size_t cut, stacks;		/* of the sessions that are complete */
	pid_t *ended_pids;		/* whose sessions are complete */
	size_t ended_count, ended_room;
	int pidfd;			/* of the process that was asked for */
	int region_err;
	struct heap_overhead *overhead;	/* NULL: it may cost what it costs */
	uint64_t cpu_of_ended;
	bool finals;			/* an end that is seen now is final */
};

/* A look without what is due afterwards: all members have sessions that are to have one. */
int family_catch_up(struct heap_family *f);

/* ---- family_members.c -------------------------------------------------------------------- */

/* NULL: none of this image is known. */
struct member *family_find(const struct heap_family *f, uint32_t image);

/* NULL: out of memory. */
struct member *family_add(struct heap_family *f, const struct ku_process *p);
void family_free_member(struct member *m);

/* Has it begun to run the program that is to be recorded? */
bool family_has_run(const struct heap_family *f, const struct member *m);

/* What the tracer says of those that run. 0 or -errno. */
int family_take_running(struct heap_family *f);

/* The same of all, also of those that have ended; children take what their parents had. */
int family_meet(struct heap_family *f);

/* What has been mapped and unmapped since. */
int family_take_regions(struct heap_family *f);

/* ---- family_sessions.c ------------------------------------------------------------------ */

int family_open_sessions(struct heap_family *f);
int family_close_session(struct heap_family *f, struct member *m);

/* Hands over what was called to the sessions' traces. 0 or -errno. */
int family_take_events(struct heap_family *f);

#endif

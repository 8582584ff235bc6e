// SPDX-License-Identifier: MIT
/*
 * heap_tracer.h - loads uprobe.bpf.c, puts its probes on allocators' functions, and reads
 * what the programs keep. One thread at a time.
 */
#ifndef KAGENT_HEAP_TRACER_H
#define KAGENT_HEAP_TRACER_H

#include "common/session_format.h"
#include "kagent/allocator.h"
#include "kagent/code_layouts.h"
#include "kagent/heap_probes.h"
#include "kagent/map_walk.h"
#include "kagent/uprobe_events.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct heap_tracer;

/* Means that have been in force, the last one is: bytes, or N of one in N; [0]: all. */
struct heap_sampling {
	enum session_sampling kind;
	uint32_t last;			/* number of the one in force */
	uint64_t mean[SESSION_MAX_MEANS];
};

struct heap_tracer_settings {
	pid_t pid;
	bool await_exec;	/* the process is still to execute the program */
	bool children;		/* forked children are wanted, too, */
	bool next_programs;	/* and what they and the process execute */
	bool trace;
	uint32_t depth;
	struct heap_sampling sampling;
	unsigned int max_overhead;	/* percent, 0: whatever it costs; see heap_overhead.h */
	uint64_t min_size, max_size;
	uint32_t max_blocks;
	uint32_t max_rows;	/* room for unwind rows */
};

/*
 * Loads the programs; nothing is probed yet. 0 or -errno, and then *why is a sentence
 * that says what is in the way and what to do. layouts (the caller's) are told from now on.
 */
int heap_tracer_open(const struct heap_tracer_settings *settings, struct code_layouts *layouts,
		     struct heap_tracer **out, char *why, size_t why_size);

/*
 * Probes the functions of a file in these processes and their children. 0 or -errno, with
 * a sentence as above.
 */
int heap_tracer_attach(struct heap_tracer *t, const struct allocator *a, const pid_t *pids,
		       size_t count, char *why, size_t why_size);

/* Recording begins, unless an exec is awaited: then it does with that. */
void heap_tracer_start(struct heap_tracer *t);

/* Removes all probes; what was recorded stays. */
void heap_tracer_stop(struct heap_tracer *t);

void heap_tracer_free(struct heap_tracer *t);	/* NULL is allowed */

size_t heap_tracer_probes(const struct heap_tracer *t);
bool heap_tracer_uses_rows(const struct heap_tracer *t);

/* Are children recorded? If not though they were wanted, *why (errno) is the reason. */
bool heap_tracer_follows(const struct heap_tracer *t, int *why);

/* Which allocations are recorded. */
void heap_tracer_sampling(const struct heap_tracer *t, struct heap_sampling *out);

/* Another mean is in force from now on: BYTES if everything was recorded before. */
void heap_tracer_raise(struct heap_tracer *t, uint64_t mean);

/* What the programs have cost, if somebody has made the kernel keep account of it. */
struct heap_cost {
	uint64_t ns, runs;
};
void heap_tracer_cost(const struct heap_tracer *t, struct heap_cost *out);

/* What recording has cost in all, for the sessions (ns). */
void heap_tracer_spent(struct heap_tracer *t, uint64_t ns);
uint64_t heap_tracer_self_ns(const struct heap_tracer *t);

/* For probes of another kind, to be freed before the tracer. 0 or -errno. */
int heap_tracer_more_probes(struct heap_tracer *t, struct heap_probes **out);

/* ---- processes -------------------------------------------------------------------------- */

/* Readable when there is something new about the processes. heap_tracer_changes() empties it. */
int heap_tracer_bell(const struct heap_tracer *t);

/* A number that is another one after each change. */
uint32_t heap_tracer_changes(struct heap_tracer *t);

/* Keys: pid in the initial namespace; image. */
int heap_tracer_processes(const struct heap_tracer *t, map_entry_fn *fn, void *arg);
int heap_tracer_ended(const struct heap_tracer *t, map_entry_fn *fn, void *arg);

/* This program's loader is probed: it need not be stopped before it runs. */
void heap_tracer_know(struct heap_tracer *t, const struct ku_process *p);

/* What children inherit is known for all forks up to this time (CLOCK_MONOTONIC, ns). */
void heap_tracer_inherited(struct heap_tracer *t, uint64_t ns);

/* ---- what was recorded ------------------------------------------------------------------ */

/* Keys: struct ku_place; the same; hash; image << 32 | tid. One site: 0 or -ENOENT. */
int heap_tracer_blocks(const struct heap_tracer *t, map_entry_fn *fn, void *arg);
int heap_tracer_heirlooms(const struct heap_tracer *t, map_entry_fn *fn, void *arg);
int heap_tracer_sites(const struct heap_tracer *t, map_entry_fn *fn, void *arg);
int heap_tracer_site(const struct heap_tracer *t, uint64_t key, struct ku_site *site);
int heap_tracer_names(const struct heap_tracer *t, map_entry_fn *fn, void *arg);
void heap_tracer_losses(const struct heap_tracer *t, uint32_t image, uint64_t loss[KU_LOSS_MAX]);

/* Drops all that is known of an image that has ended, and its end. 0 or -errno. */
int heap_tracer_drop(struct heap_tracer *t, uint32_t image);

/* Drops heirlooms: nobody inherits them any more. 0 or -errno. */
int heap_tracer_drop_heirlooms(struct heap_tracer *t, uint64_t freed_before);

/* Hands over, in order, what has become of mappings. How many, or -errno. */
typedef void heap_region_fn(void *arg, const struct ku_region *e);
int heap_tracer_regions(struct heap_tracer *t, heap_region_fn *fn, void *arg);

/* Hands over the trace events that are there; how many, or -errno. */
typedef void heap_event_fn(void *arg, const struct ku_event *e);
int heap_tracer_poll(struct heap_tracer *t, heap_event_fn *fn, void *arg);

#endif

// SPDX-License-Identifier: MIT
/*
 * heap_tracer.h - loads uprobe.bpf.c and puts its probes on an allocator's functions
 * in one process. One thread at a time.
 *
 * Where the kernel offers it (6.13) all functions of a file are probed by one link
 * that sees call and return; else each one by a uprobe and a uretprobe.
 */
#ifndef KAGENT_HEAP_TRACER_H
#define KAGENT_HEAP_TRACER_H

#include "kagent/allocator.h"
#include "kagent/map_walk.h"
#include "kagent/process_image.h"
#include "kagent/uprobe_events.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct heap_tracer;

struct heap_tracer_settings {
	pid_t pid;
	bool await_exec;	/* the process is still to execute the program */
	bool trace;
	uint32_t depth, sample;
	uint64_t min_size, max_size;
	uint32_t max_blocks;
	uint32_t max_rows;	/* room for unwind rows */
};

/*
 * Loads the programs; nothing is probed yet. 0 or -errno, and then *why is a sentence
 * that says what is in the way and what to do.
 */
int heap_tracer_open(const struct heap_tracer_settings *settings, struct heap_tracer **out,
		     char *why, size_t why_size);

/* Probes the functions of a file. 0 or -errno, with a sentence as above. */
int heap_tracer_attach(struct heap_tracer *t, const struct allocator *a, char *why,
		       size_t why_size);

/* Recording begins, unless an exec is awaited: then it does with that. */
void heap_tracer_start(struct heap_tracer *t);

/*
 * Stacks are unwound by the rows of these modules from now on; of code without rows, and
 * where there is no room for them, by frame pointers. 0 or -errno.
 */
int heap_tracer_map_code(struct heap_tracer *t, struct process_image *p);

/* Removes all probes; what was recorded stays. */
void heap_tracer_stop(struct heap_tracer *t);

void heap_tracer_free(struct heap_tracer *t);	/* NULL is allowed */

struct ku_state heap_tracer_state(const struct heap_tracer *t);
size_t heap_tracer_probes(const struct heap_tracer *t);
bool heap_tracer_uses_sessions(const struct heap_tracer *t);
bool heap_tracer_uses_rows(const struct heap_tracer *t);

/* Keys: address; hash; tid. */
int heap_tracer_blocks(const struct heap_tracer *t, map_entry_fn *fn, void *arg);
int heap_tracer_sites(const struct heap_tracer *t, map_entry_fn *fn, void *arg);
int heap_tracer_names(const struct heap_tracer *t, map_entry_fn *fn, void *arg);
void heap_tracer_losses(const struct heap_tracer *t, uint64_t loss[KU_LOSS_MAX]);

/* Hands over the trace events that are there; how many, or -errno. */
typedef void heap_event_fn(void *arg, const struct ku_event *e);
int heap_tracer_poll(struct heap_tracer *t, heap_event_fn *fn, void *arg);

#endif

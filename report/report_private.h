// SPDX-License-Identifier: MIT
/* report_private.h - what the files that build a report share; not for its users. */
#ifndef REPORT_REPORT_PRIVATE_H
#define REPORT_REPORT_PRIVATE_H

#include "common/array.h"
#include "common/hash_index.h"
#include "report/report.h"
#include "report/strpool.h"

#define NO_SITE UINT32_MAX

/* Where a session comes from: a file that is opened when its turn comes, or one that is open. */
struct input {
	char *path;
	struct session *borrowed;
};

/* A distinct stack before symbolization: locations[first .. first + depth). */
struct model_stack {
	uint64_t first;
	uint32_t depth, flags;
};

/* A site before merging. */
struct raw_site {
	uint32_t stack;
	enum report_kind kind;
	const char *cache;	/* from report.strings */
};

struct report {
	struct symbolizer *sym;
	struct report_options options;
	struct strpool *strings;
	struct report_summary summary;

	struct input *inputs;
	struct report_session *sessions;	/* one per input */
	size_t input_count, input_room, session_room;

	struct report_process *processes;
	size_t process_count, process_room;
	struct hash_index process_index;	/* by pid, boot and host; also with the start */

	struct report_cache *caches;
	size_t cache_count, cache_room;

	struct report_cache_holding *cache_holdings;
	size_t cache_holding_count, cache_holding_room;

	uint32_t *locations;
	size_t location_count, location_room;
	struct model_stack *stacks;
	size_t stack_count, stack_room;
	struct hash_index stack_index;

	struct raw_site *raw;			/* parallel to sites until they are merged */
	struct report_site *sites;
	size_t site_count, raw_room, site_room;
	struct hash_index site_index;
	struct report_site **shown;		/* in order, when built */
	size_t shown_count;

	struct report_holding *holdings;
	size_t holding_count, holding_room;
	struct hash_index holding_index;

	struct report_block *blocks;
	size_t block_count, block_room;
	struct report_point *points;
	size_t point_count, point_room;
};

/* ---- sites.c: the tables that scanning fills ---- */

/* The index of a stack of locations; NO_SITE without memory. */
uint32_t report_stack_id(struct report *r, const uint32_t *locations, uint32_t depth,
			 uint32_t flags);

/* The index of a site; NO_SITE without memory. */
uint32_t report_site_id(struct report *r, uint32_t stack, enum report_kind kind,
			const char *cache);

/* What a thread holds at a site, made on first use; NULL without memory. */
struct report_holding *report_holding(struct report *r, uint32_t site, uint32_t process,
				      uint32_t tid);

int report_add_block(struct report *r, const struct report_block *b);
int report_add_point(struct report *r, const struct report_point *p);

/* Does a block pass the filters on size and age? */
bool report_wants_block(const struct report *r, uint64_t size, uint64_t age_ns, uint64_t older_ns);
void report_add_age(struct report_site *site, uint64_t age_ns);

/* ---- processes.c ---- */

/* Registers the process of a session header, or finds it; its index, NO_SITE without memory. */
uint32_t report_session_process(struct report *r, const struct session *s);

/* The process of a task of a kernel session. */
uint32_t report_task_process(struct report *r, const struct session *s,
			     const struct session_task *t);

/*
 * A task of this process allocated at a moment (CLOCK_MONOTONIC, ns). Without a session of
 * its own, a process is called what its main thread, else any, was called last.
 */
void report_task_seen(struct report *r, uint32_t process, const struct session_task *t,
		      uint64_t ns);

/* Finds out whose parents' sessions are there; when all processes are registered. */
void report_link_parents(struct report *r);

/* ---- frames.c: stacks of a session to stacks of the report ---- */

struct frame_map;

struct frame_map *frame_map_new(struct report *r, const struct session *s);
void frame_map_free(struct frame_map *map);

/* The report's stack for a stack of the session (and, in the kernel, a user stack); NO_SITE: no memory. */
uint32_t frame_map_stack(struct frame_map *map, uint32_t stack, uint32_t user_stack);

/* ---- scan_process.c, scan_kernel.c: a session into the tables ---- */

int report_scan_process(struct report *r, struct session *s, size_t input);
int report_scan_kernel(struct report *r, struct session *s, size_t input);

/* Both: the totals of SECT_SITES and the timeline; site_of[] maps the session's stacks to sites. */
int report_scan_totals(struct report *r, struct session *s, size_t input, const uint32_t *site_of);

/* Both, with --combined: what a site's totals say is outstanding. */
void report_add_combined(struct figure *live, const struct session_site *site, bool sampled);

/* ---- finish.c ---- */

int report_merge_sites(struct report *r);	/* symbolized stacks to sites */
int report_finish(struct report *r);		/* filters, sums, order */

/* ---- cache_holdings.c: who holds objects of which slab cache ---- */

int report_add_cache_holding(struct report *r, uint32_t process, const char *cache,
			     const struct figure *live);
void report_attach_cache_holdings(struct report *r);	/* sorts, sums, hands them to processes */

/* ---- filter.c ---- */

/* Does a site pass the filters on names? Counts suppressions. */
bool report_wants_site(const struct report *r, const struct report_site *site, bool *suppressed);

#endif

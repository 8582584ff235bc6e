// SPDX-License-Identifier: MIT
/*
 * capture.h - a running capture: the tracer, the caches that it met and which of
 * them are wanted, the symbols of its stacks, and snapshots of the live objects
 * with their verdicts. One thread at a time.
 */
#ifndef KAGENT_CAPTURE_H
#define KAGENT_CAPTURE_H

#include "common/timeline.h"
#include "kagent/cachenames.h"
#include "kagent/slabinfo.h"
#include "kagent/symbols.h"
#include "kagent/tracer.h"
#include "kagent/userspace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture;

struct capture_settings {
	struct tracer_settings tracer;
	const char *const *patterns;	/* --cache, owned by the caller */
	size_t pattern_count;		/* 0: all caches */
	uint64_t older_ns;		/* objects at least this old are suspects */
};

struct capture_cache {
	uint64_t id;			/* address of the kmem_cache, or KA_CACHE_* */
	const char *name, *aliases;
	uint32_t object_size, slab_size;
	uint32_t index;			/* of its counters */
	bool wanted;
	uint64_t active_start, active_end;	/* slabinfo's active objects */
	uint64_t tracked_start, tracked; /* outstanding when slabinfo was read at the start; in
					    the snapshot */
	uint64_t allocs, frees;		/* events, by its sites */
	uint64_t older_start, older_frees; /* frees of objects from before the capture: until
					      then; since then */
	uint64_t freed_unseen;		/* objects that were found freed or gone, ever */
};

struct capture_object {
	uint64_t addr;
	struct ka_object o;
	uint32_t cache;			/* index of the capture's caches */
	uint32_t verdict;		/* enum ka_verdict */
};

struct capture_site {
	uint64_t key;
	uint32_t cache;
	struct ka_site s;
};

/* 0 or -errno with a sentence for the user in `why`. */
int capture_start(const struct capture_settings *settings, struct capture **out,
		  char *why, size_t why_size);
void capture_free(struct capture *c);	/* NULL is allowed */

struct tracer *capture_tracer(struct capture *c);
const struct symbols *capture_symbols(const struct capture *c);
const struct userspace *capture_userspace(const struct capture *c);

/* What sessions of earlier snapshots held; of the capture's lifetime. */
struct timeline *capture_timeline(const struct capture *c);

/*
 * Looks at what is new: decides about caches, resolves stacks while the modules
 * are still there. To be called about twice a second; costs little when little is new.
 * Totals of known sites are as of the last snapshot. 0 or -errno.
 */
int capture_look(struct capture *c);

/*
 * Takes a snapshot: all wanted objects with a verdict on those that are old
 * enough; those found freed leave the map of live ones and come last, with the
 * phantoms of earlier snapshots. 0 or -errno.
 */
int capture_snapshot(struct capture *c);

/*
 * The names of the caches that the patterns select now, in use or not, separated
 * by ", "; "" when there is none. The caller frees it; NULL without memory.
 */
char *capture_selected(const struct capture *c);

size_t capture_cache_count(const struct capture *c);
const struct capture_cache *capture_cache(const struct capture *c, size_t i);
/* Of the last snapshot; live ones (anything but KA_FREED and KA_GONE) by address. */
size_t capture_object_count(const struct capture *c);
const struct capture_object *capture_object(const struct capture *c, size_t i);
/* Objects found freed or gone since the start, at most CAPTURE_PHANTOMS of them. */
#define CAPTURE_PHANTOMS 65536u
size_t capture_phantom_count(const struct capture *c);
uint64_t capture_unlisted_phantoms(const struct capture *c);	/* those beyond it */
const struct capture_object *capture_phantom(const struct capture *c, size_t i);
size_t capture_site_count(const struct capture *c);
const struct capture_site *capture_site(const struct capture *c, size_t i);
const struct capture_site *capture_find_site(const struct capture *c, uint64_t key);
const struct ka_ustack *capture_find_ustack(const struct capture *c, uint64_t key);
uint64_t capture_snapshot_ns(const struct capture *c);	/* CLOCK_MONOTONIC */
uint64_t capture_start_ns(const struct capture *c);

#endif

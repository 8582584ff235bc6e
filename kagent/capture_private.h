// SPDX-License-Identifier: MIT
/* capture_private.h - what capture.c and capture_caches.c share. */
#ifndef KAGENT_CAPTURE_PRIVATE_H
#define KAGENT_CAPTURE_PRIVATE_H

#include "kagent/capture.h"

#include "common/hash_index.h"
#include "kagent/idle.h"
#include "kagent/verdict.h"

/* A growing array; room doubles. */
struct array {
	void *data;
	size_t count, room;
};

struct ustack {
	uint64_t key;
	struct ka_ustack s;	/* addresses translated */
};

struct capture {
	struct tracer *tracer;
	const struct capture_settings *settings;
	struct cache_names *names;
	struct symbols *symbols;
	struct userspace *userspace;
	struct timeline *timeline;
	struct slab_table slabs_start;	/* less what CPUs held free */
	struct idle_list *idle;		/* NULL: can't be told on this kernel */
	struct array caches;	/* struct capture_cache */
	struct array sites;	/* struct capture_site */
	struct array ustacks;	/* struct ustack */
	struct array objects, phantoms;	/* struct capture_object */
	struct array strays;	/* struct ka_forget: of caches that nobody wants */
	struct hash_index cache_index, site_index, ustack_index;
	uint64_t start_ns, snapshot_ns;
	uint64_t unlisted;	/* phantoms beyond CAPTURE_PHANTOMS */
};

/* A new element at the end, not initialized; NULL without memory. */
void *capture_append(struct array *a, size_t size);

struct capture_cache *caches_of(const struct capture *c);

/* The index of a cache that was met, HASH_INDEX_NONE: of none. */
uint32_t find_cache(const struct capture *c, uint64_t id);

/* slabinfo, with objects in use as active ones: those that CPUs hold free are taken off. */
void read_slabs(struct capture *c, struct slab_table *t);
uint64_t slab_active(const struct slab_table *t, const char *name);

/* A tracer_cache_fn: takes up a cache, decides about a new one. */
int look_at_cache(void *arg, uint64_t id, const struct ka_cache *k);

/* Caches that are asked for but emit no event at all: their objects come in bulk. */
int add_unmet(struct capture *c, const struct slab_table *now);

/* Every cache that slabinfo knows, and the pseudo caches; free with free(). NULL: no memory. */
struct tracer_decision *decide_all(const struct capture *c, size_t *count);

#endif

// SPDX-License-Identifier: MIT
/* sites.c - the tables of stacks, sites and holdings that scanning fills. */
#include "report/report_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- stacks ---- */

struct stack_key {
	const uint32_t *locations;
	uint32_t depth, flags;
};

static bool stack_equal(const void *owner, uint32_t index, const void *key)
{
	const struct report *r = owner;
	const struct model_stack *s = &r->stacks[index];
	const struct stack_key *k = key;

	return s->depth == k->depth && s->flags == k->flags &&
	       (!k->depth || !memcmp(r->locations + s->first, k->locations,
				     k->depth * sizeof(*k->locations)));
}

static int append_locations(struct report *r, const uint32_t *locations, uint32_t depth)
{
	while (r->location_count + depth > r->location_room) {
		uint32_t *p = array_grow(r->locations, r->location_room, &r->location_room,
					 sizeof(*p));

		if (!p)
			return -ENOMEM;
		r->locations = p;
	}
	if (depth)
		memcpy(r->locations + r->location_count, locations, depth * sizeof(*locations));
	r->location_count += depth;
	return 0;
}

uint32_t report_stack_id(struct report *r, const uint32_t *locations, uint32_t depth,
			 uint32_t flags)
{
	struct stack_key key = { locations, depth, flags };
	uint64_t hash = hash_bytes(locations, depth * sizeof(*locations), flags);
	uint32_t id = hash_index_find(&r->stack_index, hash, stack_equal, r, &key);
	struct model_stack *stacks;

	if (id != HASH_INDEX_NONE)
		return id;
	stacks = array_grow(r->stacks, r->stack_count, &r->stack_room, sizeof(*stacks));
	if (!stacks)
		return NO_SITE;
	r->stacks = stacks;
	stacks[r->stack_count] = (struct model_stack){ r->location_count, depth, flags };
	if (append_locations(r, locations, depth) ||
	    hash_index_add(&r->stack_index, hash, (uint32_t)r->stack_count))
		return NO_SITE;
	return (uint32_t)r->stack_count++;
}

/* ---- sites ---- */

static bool site_equal(const void *owner, uint32_t index, const void *key)
{
	const struct raw_site *a = &((const struct report *)owner)->raw[index], *b = key;

	return a->stack == b->stack && a->kind == b->kind && a->cache == b->cache;
}

uint32_t report_site_id(struct report *r, uint32_t stack, enum report_kind kind,
			const char *cache)
{
	struct raw_site key = { stack, kind, cache }, *raw;
	uint64_t hash = hash_mix(((uint64_t)stack << 8 | kind) ^ hash_mix((uintptr_t)cache));
	uint32_t id = hash_index_find(&r->site_index, hash, site_equal, r, &key);
	struct report_site *sites;

	if (id != HASH_INDEX_NONE)
		return id;
	raw = array_grow(r->raw, r->site_count, &r->raw_room, sizeof(*raw));
	if (raw)
		r->raw = raw;
	sites = array_grow(r->sites, r->site_count, &r->site_room, sizeof(*sites));
	if (sites)
		r->sites = sites;
	if (!raw || !sites || hash_index_add(&r->site_index, hash, (uint32_t)r->site_count))
		return NO_SITE;
	raw[r->site_count] = key;
	sites[r->site_count] = (struct report_site){
		.kind = kind, .cache = cache, .age_min_ns = UINT64_MAX,
	};
	return (uint32_t)r->site_count++;
}

/* ---- holdings ---- */

struct holding_key {
	uint32_t site, process, tid;
};

static bool holding_equal(const void *owner, uint32_t index, const void *key)
{
	const struct report_holding *h = &((const struct report *)owner)->holdings[index];
	const struct holding_key *k = key;

	return h->site == k->site && h->process == k->process && h->tid == k->tid;
}

struct report_holding *report_holding(struct report *r, uint32_t site, uint32_t process,
				      uint32_t tid)
{
	struct holding_key key = { site, process, tid };
	uint64_t hash = hash_mix(((uint64_t)site << 32 | process) ^ hash_mix(tid));
	uint32_t id = hash_index_find(&r->holding_index, hash, holding_equal, r, &key);
	struct report_holding *list;

	if (id != HASH_INDEX_NONE)
		return &r->holdings[id];
	list = array_grow(r->holdings, r->holding_count, &r->holding_room, sizeof(*list));
	if (!list)
		return NULL;
	r->holdings = list;
	if (hash_index_add(&r->holding_index, hash, (uint32_t)r->holding_count))
		return NULL;
	list += r->holding_count++;
	*list = (struct report_holding){ .site = site, .process = process, .tid = tid };
	return list;
}

/* ---- blocks and points ---- */

int report_add_block(struct report *r, const struct report_block *b)
{
	struct report_block *list = array_grow(r->blocks, r->block_count, &r->block_room,
					       sizeof(*list));

	if (!list)
		return -ENOMEM;
	r->blocks = list;
	list[r->block_count++] = *b;
	return 0;
}

int report_add_point(struct report *r, const struct report_point *p)
{
	struct report_point *list = array_grow(r->points, r->point_count, &r->point_room,
					       sizeof(*list));

	if (!list)
		return -ENOMEM;
	r->points = list;
	list[r->point_count++] = *p;
	return 0;
}

bool report_wants_block(const struct report *r, uint64_t size, uint64_t age_ns, uint64_t older_ns)
{
	const struct report_options *o = &r->options;

	return size >= o->min_size && (!o->max_size || size <= o->max_size) &&
	       age_ns >= (o->older_set ? o->older_ns : older_ns);
}

void report_add_age(struct report_site *site, uint64_t age_ns)
{
	uint64_t ms = age_ns / 1000000;
	int bucket = ms ? 64 - __builtin_clzll(ms) : 0;

	site->ages[bucket < REPORT_AGES ? bucket : REPORT_AGES - 1]++;
	if (age_ns < site->age_min_ns)
		site->age_min_ns = age_ns;
	if (age_ns > site->age_max_ns)
		site->age_max_ns = age_ns;
}

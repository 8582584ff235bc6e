// SPDX-License-Identifier: MIT
/* capture_caches.c - the caches of a capture: which are wanted, and what slabinfo says of them. */
#include "kagent/capture_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct capture_cache *caches_of(const struct capture *c)
{
	return c->caches.data;
}

static bool same_cache(const void *owner, uint32_t index, const void *key)
{
	return caches_of(owner)[index].id == *(const uint64_t *)key;
}

uint32_t find_cache(const struct capture *c, uint64_t id)
{
	return hash_index_find(&c->cache_index, hash_mix(id), same_cache, c, &id);
}

static const char *pseudo_name(uint64_t id)
{
	static const char *const names[] = { "", "kmalloc-large", "pages", "percpu", "unknown" };

	return id <= KA_CACHE_LAST ? names[id] : "";
}

static bool is_wanted(const struct capture *c, const char *name, uint32_t object_size)
{
	size_t i;

	for (i = 0; i < c->settings->pattern_count; i++)
		if (cache_names_match(c->names, c->settings->patterns[i], name, object_size))
			return true;
	return !c->settings->pattern_count;
}

void read_slabs(struct capture *c, struct slab_table *t)
{
	if (slab_table_read("/proc/slabinfo", t) || !c->idle || idle_refresh(c->idle))
		return;
	for (size_t i = 0; i < t->count; i++) {
		uint64_t idle = idle_objects(c->idle, t->rows[i].name);

		t->rows[i].active -= idle < t->rows[i].active ? idle : t->rows[i].active;
	}
}

uint64_t slab_active(const struct slab_table *t, const char *name)
{
	const struct slab_row *r = slab_table_find(t, name);

	return r ? r->active : 0;
}

char *capture_selected(const struct capture *c)
{
	size_t len = 0, i;
	char *text = calloc(1, 1), *longer;

	for (i = 0; text && i < c->slabs_start.count; i++) {
		const struct slab_row *r = &c->slabs_start.rows[i];

		if (!is_wanted(c, r->name, r->object_size))
			continue;
		longer = realloc(text, len + strlen(r->name) + 3);
		if (!longer) {
			free(text);
			return NULL;
		}
		text = longer;
		len += sprintf(text + len, "%s%s", len ? ", " : "", r->name);
	}
	return text;
}

/* Pages and percpu are asked for by an option of their own. */
static bool always_wanted(uint64_t id)
{
	return id == KA_CACHE_PAGES || id == KA_CACHE_PERCPU;
}

static struct capture_cache *append_cache(struct capture *c, const char *name)
{
	char *copy = strdup(name);
	struct capture_cache *n = copy ? capture_append(&c->caches, sizeof(*n)) : NULL;

	if (!n) {
		free(copy);
		return NULL;
	}
	*n = (struct capture_cache) {
		.name = copy, .aliases = cache_names_aliases(c->names, copy),
		.active_start = slab_active(&c->slabs_start, copy),
	};
	return n;
}

/* The entry of a cache that is met now: it may be known by name, from slabinfo. */
static struct capture_cache *cache_by_name(struct capture *c, uint64_t id, const struct ka_cache *k)
{
	const char *name = id <= KA_CACHE_LAST ? pseudo_name(id) : k->name.text;

	for (size_t i = 0; i < c->caches.count; i++)
		if (!caches_of(c)[i].id && !strcmp(caches_of(c)[i].name, name))
			return &caches_of(c)[i];
	return append_cache(c, name);
}

static int new_cache(struct capture *c, uint64_t id, const struct ka_cache *k)
{
	struct capture_cache *n = cache_by_name(c, id, k);

	if (!n)
		return -ENOMEM;
	n->id = id;
	n->object_size = k->object_size;
	n->slab_size = k->slab_size;
	n->index = k->index;
	n->wanted = always_wanted(id) || is_wanted(c, n->name, k->object_size);
	if (hash_index_add(&c->cache_index, hash_mix(id), n - caches_of(c)))
		return -ENOMEM;
	return k->state == KA_CACHE_NEW ? tracer_decide(c->tracer, id, k, n->wanted) : 0;
}

/* Destroyed, and another one made at its address: what it was stays under its name. */
static bool was_replaced(const struct capture_cache *known, const struct ka_cache *k)
{
	return known->index != k->index;
}

int look_at_cache(void *arg, uint64_t id, const struct ka_cache *k)
{
	struct capture *c = arg;
	uint32_t i = find_cache(c, id);

	if (i != HASH_INDEX_NONE && was_replaced(&caches_of(c)[i], k)) {
		caches_of(c)[i].id = 0;
		i = HASH_INDEX_NONE;
	}
	if (i == HASH_INDEX_NONE)
		return new_cache(c, id, k);
	return k->state == KA_CACHE_NEW ? tracer_decide(c->tracer, id, k, caches_of(c)[i].wanted)
					: 0;
}

static bool is_met(const struct capture *c, const char *name)
{
	for (size_t i = 0; i < c->caches.count; i++)
		if (!strcmp(caches_of(c)[i].name, name))
			return true;
	return false;
}

int add_unmet(struct capture *c, const struct slab_table *now)
{
	for (size_t i = 0; i < now->count; i++) {
		const struct slab_row *r = &now->rows[i];
		struct capture_cache *n;

		if (!is_wanted(c, r->name, r->object_size) || is_met(c, r->name))
			continue;
		n = append_cache(c, r->name);
		if (!n)
			return -ENOMEM;
		n->object_size = n->slab_size = r->object_size;
		n->wanted = true;
	}
	return 0;
}

static void name_of(const char *text, struct ka_name *name)
{
	memset(name, 0, sizeof(*name));
	memcpy(name->text, text, strnlen(text, sizeof(name->text) - 1));
}

struct tracer_decision *decide_all(const struct capture *c, size_t *count)
{
	struct tracer_decision *list = calloc(c->slabs_start.count + KA_CACHE_LAST, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; list && i < c->slabs_start.count; i++, n++) {
		const struct slab_row *r = &c->slabs_start.rows[i];

		name_of(r->name, &list[n].name);
		list[n].wanted = is_wanted(c, r->name, r->object_size);
	}
	for (uint64_t id = 1; list && id <= KA_CACHE_LAST; id++, n++) {
		tracer_pseudo_name(id, &list[n].name);
		list[n].wanted = always_wanted(id) || is_wanted(c, pseudo_name(id), 0);
	}
	*count = n;
	return list;
}

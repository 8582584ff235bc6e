// SPDX-License-Identifier: MIT
/* capture.c - the state of a running capture and its snapshots. */
#include "kagent/capture_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void *capture_append(struct array *a, size_t size)
{
	if (a->count == a->room) {
		size_t room = a->room ? a->room * 2 : 64;
		void *bigger = realloc(a->data, room * size);

		if (!bigger)
			return NULL;
		a->data = bigger;
		a->room = room;
	}
	return (char *)a->data + a->count++ * size;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static struct capture_site *sites_of(const struct capture *c)
{
	return c->sites.data;
}

static struct ustack *ustacks_of(const struct capture *c)
{
	return c->ustacks.data;
}

static struct capture_object *objects_of(const struct array *a)
{
	return a->data;
}

/* ---- sites and stacks ------------------------------------------------------------ */

static bool same_site(const void *owner, uint32_t index, const void *key)
{
	return sites_of(owner)[index].key == *(const uint64_t *)key;
}

const struct capture_site *capture_find_site(const struct capture *c, uint64_t key)
{
	uint32_t i = hash_index_find(&c->site_index, hash_mix(key), same_site, c, &key);

	return i == HASH_INDEX_NONE ? NULL : &sites_of(c)[i];
}

static int resolve(struct capture *c, const struct ka_site *s)
{
	int err = 0;

	for (uint32_t i = 0; i < s->depth && i < KA_MAX_DEPTH && !err; i++)
		err = symbols_add(c->symbols, s->ip[i]);
	return err;
}

static bool starts_with(const char *s, const char *start)
{
	return !strncmp(s, start, strlen(start));
}

/* The tracing itself, and what it is attached to where it isn't called from there. */
static bool is_tracing(const struct symbol *s)
{
	return starts_with(s->name, "bpf_prog_") || starts_with(s->name, "bpf_trace_run") ||
	       starts_with(s->name, "bpf_trampoline_") || !strcmp(s->name, "bpf_loop") ||
	       starts_with(s->name, "__bpf_trace_") || starts_with(s->name, "__traceiter_") ||
	       starts_with(s->name, "kmem_cache_alloc_bulk");
}

/* Page and bulk events name no caller, so their stacks begin with the tracing itself. */
static void trim(const struct capture *c, struct ka_site *s)
{
	struct symbol sym;
	uint32_t skip = 0;

	while (skip < s->depth) {
		sym = symbols_find(c->symbols, s->ip[skip]);
		if (!is_tracing(&sym))
			break;
		skip++;
	}
	s->depth -= skip;
	memmove(s->ip, s->ip + skip, s->depth * sizeof(s->ip[0]));
}

/* A copy that holds in any case. */
static void take_site(const struct capture *c, struct capture_site *to, const struct ka_site *s)
{
	to->s = *s;
	if (to->s.depth > KA_MAX_DEPTH)
		to->s.depth = 0;
	trim(c, &to->s);
}

static int look_at_site(void *arg, uint64_t key, const struct ka_site *s)
{
	struct capture *c = arg;
	uint32_t cache = find_cache(c, s->cache), i;
	struct capture_site *n;
	int err;

	if (cache == HASH_INDEX_NONE || !caches_of(c)[cache].wanted)
		return 0;
	i = hash_index_find(&c->site_index, hash_mix(key), same_site, c, &key);
	if (i != HASH_INDEX_NONE) {
		take_site(c, &sites_of(c)[i], s);
		return 0;
	}
	err = resolve(c, s);
	if (err)
		return err;
	n = capture_append(&c->sites, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->key = key;
	n->cache = cache;
	take_site(c, n, s);
	return hash_index_add(&c->site_index, hash_mix(key), c->sites.count - 1);
}

static bool same_ustack(const void *owner, uint32_t index, const void *key)
{
	return ustacks_of(owner)[index].key == *(const uint64_t *)key;
}

const struct ka_ustack *capture_find_ustack(const struct capture *c, uint64_t key)
{
	uint32_t i = hash_index_find(&c->ustack_index, hash_mix(key), same_ustack, c, &key);

	return i == HASH_INDEX_NONE ? NULL : &ustacks_of(c)[i].s;
}

static int look_at_ustack(void *arg, uint64_t key, const struct ka_ustack *s)
{
	struct capture *c = arg;
	struct ustack *n;

	if (capture_find_ustack(c, key))
		return 0;
	n = capture_append(&c->ustacks, sizeof(*n));
	if (!n)
		return -ENOMEM;
	*n = (struct ustack) { key, *s };
	if (n->s.depth > KA_MAX_DEPTH)
		n->s.depth = 0;
	for (uint32_t i = 0; i < n->s.depth; i++)
		n->s.ip[i] = userspace_translate(c->userspace, s->tgid, s->ip[i]);
	return hash_index_add(&c->ustack_index, hash_mix(key), c->ustacks.count - 1);
}

static int look_at_stacks(struct capture *c, bool all)
{
	int err;

	symbols_new_round(c->symbols);
	err = all ? tracer_each_site(c->tracer, look_at_site, c)
		  : tracer_each_new_site(c->tracer, look_at_site, c);
	if (!err && c->settings->tracer.config.user_stacks) {
		userspace_new_round(c->userspace);
		err = tracer_each_ustack(c->tracer, look_at_ustack, c);
	}
	return err;
}

int capture_look(struct capture *c)
{
	int err = tracer_each_cache(c->tracer, look_at_cache, c);

	return err ? err : look_at_stacks(c, false);
}

/* ---- snapshots --------------------------------------------------------------------- */

static int take_object(void *arg, uint64_t addr, const struct ka_object *o)
{
	struct capture *c = arg;
	uint32_t cache = find_cache(c, o->cache);
	struct capture_object *n;

	if (cache == HASH_INDEX_NONE)	/* met after capture_look(): next time */
		return 0;
	if (!caches_of(c)[cache].wanted) {
		struct ka_forget *stray = capture_append(&c->strays, sizeof(*stray));

		if (stray)
			*stray = (struct ka_forget) { addr, o->time };
		return stray ? 0 : -ENOMEM;
	}
	n = capture_append(&c->objects, sizeof(*n));
	if (!n)
		return -ENOMEM;
	*n = (struct capture_object) { .addr = addr, .o = *o, .cache = cache, .verdict = KA_YOUNG };
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct capture_object *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* A map that changes while it is read may give an entry twice. */
static void sort_objects(struct capture *c)
{
	struct capture_object *o = c->objects.data;
	size_t kept = 0;

	if (!c->objects.count)
		return;
	qsort(o, c->objects.count, sizeof(*o), by_address);
	for (size_t i = 0; i < c->objects.count; i++)
		if (!kept || o[i].addr != o[kept - 1].addr)
			o[kept++] = o[i];
	c->objects.count = kept;
}

static bool is_suspect(const struct capture *c, const struct capture_object *o)
{
	return c->snapshot_ns >= o->o.time + c->settings->older_ns;
}

static void mark_unverified(struct capture *c)
{
	struct capture_object *o = c->objects.data;

	for (size_t i = 0; i < c->objects.count; i++)
		if (is_suspect(c, &o[i]))
			o[i].verdict = KA_UNVERIFIED;
}

static int judge(struct capture *c, struct verdicts *v)
{
	struct capture_object *o = c->objects.data;
	struct ka_check *check = malloc((c->objects.count + 1) * sizeof(*check));
	size_t n = 0, i;
	int err;

	if (!check)
		return -ENOMEM;
	for (i = 0; i < c->objects.count; i++)
		if (is_suspect(c, &o[i]))
			check[n++] = (struct ka_check){ o[i].addr, o[i].o.cache, o[i].o.kind,
							KA_UNVERIFIED };
	err = verdicts_check(v, check, n);
	for (i = n = 0; i < c->objects.count && !err; i++)
		if (is_suspect(c, &o[i]))
			o[i].verdict = check[n++].verdict;
	free(check);
	return err;
}

static bool is_phantom(const struct capture_object *o)
{
	return o->verdict == KA_FREED || o->verdict == KA_GONE;
}

static int keep_phantom(struct capture *c, const struct capture_object *o)
{
	struct capture_object *copy;

	caches_of(c)[o->cache].freed_unseen++;
	if (c->phantoms.count >= CAPTURE_PHANTOMS) {
		c->unlisted++;
		return 0;
	}
	copy = capture_append(&c->phantoms, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = *o;
	return 0;
}

/*
 * Phantoms leave the map of live objects and the snapshot, and are kept apart.
 * One that had left the map already was freed in the ordinary way meanwhile.
 */
static int drop_phantoms(struct capture *c)
{
	struct capture_object *o = c->objects.data;
	struct ka_forget *list = malloc((c->objects.count + 1) * sizeof(*list));
	size_t n = 0, kept = 0, i;
	long dropped;
	int err = 0;

	if (!list)
		return -ENOMEM;
	for (i = 0; i < c->objects.count; i++)
		if (is_phantom(&o[i]))
			list[n++] = (struct ka_forget) { o[i].addr, o[i].o.time };
	dropped = n ? tracer_forget(c->tracer, list, n) : 0;
	if (dropped < 0)
		err = dropped;
	for (i = n = 0; i < c->objects.count && !err; i++) {
		if (!is_phantom(&o[i]))
			o[kept++] = o[i];
		else if (!list[n++].addr)
			err = keep_phantom(c, &o[i]);
	}
	if (!err)
		c->objects.count = kept;
	free(list);
	return err;
}

static void drop_strays(struct capture *c)
{
	if (c->strays.count)
		tracer_forget(c->tracer, c->strays.data, c->strays.count);
	c->strays.count = 0;
}

/* What slabinfo says, and what the events say of older objects, at this moment. */
static int read_growth(struct capture *c)
{
	struct slab_table now = { NULL, 0 };
	struct capture_cache *caches;
	int err;

	read_slabs(c, &now);
	err = add_unmet(c, &now);
	caches = c->caches.data;
	for (size_t i = 0; i < c->caches.count; i++) {
		struct ka_cache_count n = { 0 };

		if (caches[i].id)
			tracer_counts(c->tracer, caches[i].index, &n);
		caches[i].older_frees =
			n.frees > caches[i].older_start ? n.frees - caches[i].older_start : 0;
		caches[i].active_end = slab_active(&now, caches[i].name);
	}
	slab_table_free(&now);
	return err;
}

static void sum_up(struct capture *c)
{
	struct capture_cache *caches = c->caches.data;
	size_t i;

	for (i = 0; i < c->caches.count; i++)
		caches[i].tracked = caches[i].allocs = caches[i].frees = 0;
	for (i = 0; i < c->objects.count; i++)
		caches[objects_of(&c->objects)[i].cache].tracked++;
	for (i = 0; i < c->sites.count; i++) {
		caches[sites_of(c)[i].cache].allocs += sites_of(c)[i].s.totals.allocs;
		caches[sites_of(c)[i].cache].frees += sites_of(c)[i].s.totals.frees;
	}
}

static int count_object(void *arg, uint64_t addr, const struct ka_object *o)
{
	struct capture *c = arg;
	uint32_t cache = find_cache(c, o->cache);

	(void)addr;
	if (cache != HASH_INDEX_NONE)
		caches_of(c)[cache].tracked_start++;
	return 0;
}

/* Recording began a little before slabinfo was read: what had come by then doesn't count. */
static int read_start(struct capture *c)
{
	int err = tracer_each_cache(c->tracer, look_at_cache, c);

	if (!err)
		err = tracer_each_object(c->tracer, count_object, c);
	for (size_t i = 0; i < c->caches.count; i++) {
		struct ka_cache_count n = { 0 };

		tracer_counts(c->tracer, caches_of(c)[i].index, &n);
		caches_of(c)[i].older_start = n.frees;
	}
	return err;
}

int capture_snapshot(struct capture *c)
{
	struct verdicts *v = tracer_verdicts(c->tracer);
	int err = tracer_each_cache(c->tracer, look_at_cache, c);

	if (!err)
		err = look_at_stacks(c, true);
	if (err)
		return err;
	c->objects.count = 0;
	c->snapshot_ns = now_ns();
	err = tracer_each_object(c->tracer, take_object, c);
	if (!err)
		err = read_growth(c);
	if (err)
		return err;
	drop_strays(c);
	sort_objects(c);
	if (v)
		err = judge(c, v);
	else
		mark_unverified(c);
	if (!err)
		err = drop_phantoms(c);
	/* once more, now that phantoms have left their sites */
	if (!err)
		err = tracer_each_site(c->tracer, look_at_site, c);
	if (!err)
		sum_up(c);
	return err;
}

static int start_tracer(struct capture *c, char *why, size_t why_size)
{
	struct tracer_settings t = c->settings->tracer;
	struct tracer_decision *list = decide_all(c, &t.decision_count);
	int err;

	if (!list)
		return -ENOMEM;
	t.decisions = list;
	t.config.filtered = c->settings->pattern_count != 0;
	err = tracer_start(&t, &c->tracer, why, why_size);
	free(list);
	if (!err && tracer_verdicts(c->tracer))
		idle_open(verdicts_pages(tracer_verdicts(c->tracer)), &c->idle);
	if (c->idle) {	/* now that it can be told, once more what was in use at the start */
		slab_table_free(&c->slabs_start);
		read_slabs(c, &c->slabs_start);
		err = read_start(c);
		tracer_watch_caches(c->tracer, idle_find(c->idle, "kmem_cache"));
	}
	return err;
}

/* ---- start and end -------------------------------------------------------------------- */

int capture_start(const struct capture_settings *settings, struct capture **out,
		  char *why, size_t why_size)
{
	struct capture *c = calloc(1, sizeof(*c));
	int err = c ? 0 : -ENOMEM;

	snprintf(why, why_size, "out of memory");
	if (!err)
		err = cache_names_load("/sys/kernel/slab", &c->names);
	if (!err)
		err = symbols_open("/proc/kallsyms", &c->symbols);
	if (!err)
		err = userspace_open("/proc", &c->userspace);
	if (!err) {
		c->timeline = timeline_new();
		err = c->timeline ? 0 : -ENOMEM;
	}
	if (!err) {
		c->settings = settings;
		slab_table_read("/proc/slabinfo", &c->slabs_start);
		c->start_ns = now_ns();
		err = start_tracer(c, why, why_size);
	}
	if (err) {
		capture_free(c);
		return err;
	}
	*out = c;
	return 0;
}

void capture_free(struct capture *c)
{
	if (!c)
		return;
	tracer_free(c->tracer);
	for (size_t i = 0; i < c->caches.count; i++)
		free((char *)caches_of(c)[i].name);
	free(c->caches.data);
	free(c->sites.data);
	free(c->ustacks.data);
	free(c->objects.data);
	free(c->phantoms.data);
	free(c->strays.data);
	hash_index_free(&c->cache_index);
	hash_index_free(&c->site_index);
	hash_index_free(&c->ustack_index);
	slab_table_free(&c->slabs_start);
	idle_close(c->idle);
	cache_names_free(c->names);
	symbols_close(c->symbols);
	userspace_close(c->userspace);
	timeline_free(c->timeline);
	free(c);
}

/* ---- access -------------------------------------------------------------------------------- */

struct tracer *capture_tracer(struct capture *c)
{
	return c->tracer;
}

const struct symbols *capture_symbols(const struct capture *c)
{
	return c->symbols;
}

const struct userspace *capture_userspace(const struct capture *c)
{
	return c->userspace;
}

struct timeline *capture_timeline(const struct capture *c)
{
	return c->timeline;
}

size_t capture_cache_count(const struct capture *c)
{
	return c->caches.count;
}

const struct capture_cache *capture_cache(const struct capture *c, size_t i)
{
	return &caches_of(c)[i];
}

size_t capture_object_count(const struct capture *c)
{
	return c->objects.count;
}

const struct capture_object *capture_object(const struct capture *c, size_t i)
{
	return &objects_of(&c->objects)[i];
}

size_t capture_phantom_count(const struct capture *c)
{
	return c->phantoms.count;
}

uint64_t capture_unlisted_phantoms(const struct capture *c)
{
	return c->unlisted;
}

const struct capture_object *capture_phantom(const struct capture *c, size_t i)
{
	return &objects_of(&c->phantoms)[i];
}

size_t capture_site_count(const struct capture *c)
{
	return c->sites.count;
}

const struct capture_site *capture_site(const struct capture *c, size_t i)
{
	return &sites_of(c)[i];
}

uint64_t capture_snapshot_ns(const struct capture *c)
{
	return c->snapshot_ns;
}

uint64_t capture_start_ns(const struct capture *c)
{
	return c->start_ns;
}

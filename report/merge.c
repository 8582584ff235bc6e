// SPDX-License-Identifier: MIT
/*
 * merge.c - stacks that are one to a reader become one site.
 *
 * Two stacks are one site when they read the same: equal modules, functions and
 * lines. Builds of one program differ in their lines; so sites with one fingerprint
 * (modules and functions only) are merged too, when each comes from a build of
 * its own. Within one build they stay apart: there they are different calls.
 * The outcome doesn't depend on the order of the sessions.
 */
#include "report/report_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct key {
	uint64_t fingerprint, text;
	uint64_t build;		/* of the modules' build-ids */
	uint64_t order;		/* of several stacks the one with the lowest is shown */
	uint32_t site;
	uint32_t group;
};

static uint64_t hash_name(const char *name, uint64_t seed)
{
	return hash_bytes(name, strlen(name), seed);
}

static uint64_t module_hash(const struct symbol_module *m)
{
	return m->build_id_len ? hash_bytes(m->build_id, m->build_id_len, 1) :
				 hash_name(m->release, hash_name(m->path, 2));
}

static void make_key(const struct report *r, uint32_t site, struct key *k)
{
	const struct raw_site *raw = &r->raw[site];
	const struct model_stack *stack = &r->stacks[raw->stack];
	const uint32_t *locations = r->locations + stack->first;
	uint64_t seed = hash_name(report_kind_name(raw->kind), 0);

	seed = hash_name(raw->cache ? raw->cache : "", seed);
	*k = (struct key){ .fingerprint = seed, .text = seed, .order = seed, .site = site };
	if (!stack->depth)
		k->text = k->fingerprint = hash_mix(seed ^ (stack->flags & STACK_OVERFLOW));
	for (uint32_t i = 0; i < stack->depth; i++) {
		const struct symbol_module *m = symbolizer_module_info(r->sym,
			symbolizer_location_module(r->sym, locations[i]));
		size_t count;
		const struct symbol_frame *f = symbolizer_frames(r->sym, locations[i], &count);

		k->fingerprint = hash_mix(k->fingerprint ^
					  symbolizer_stable_hash(r->sym, locations[i]));
		k->text = hash_mix(k->text ^ symbolizer_text_hash(r->sym, locations[i]));
		k->order = hash_mix(k->order ^ (count ? f[count - 1].address : 0));
		if (m)
			k->build = hash_mix(k->build ^ module_hash(m));
	}
}

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->fingerprint != y->fingerprint)
		return x->fingerprint < y->fingerprint ? -1 : 1;
	if (x->text != y->text)
		return x->text < y->text ? -1 : 1;
	if (x->build != y->build)
		return x->build < y->build ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static int compare_builds(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Sites of one fingerprint, by text: does each text come from one build, and each build once? */
static bool one_per_build(const struct key *k, size_t count, uint64_t *builds)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		bool same_text = i && k[i].text == k[i - 1].text;

		if (same_text && k[i].build != k[i - 1].build)
			return false;
		if (!same_text)
			builds[n++] = k[i].build;
	}
	qsort(builds, n, sizeof(*builds), compare_builds);
	for (size_t i = 1; i < n; i++)
		if (builds[i] == builds[i - 1])
			return false;
	return true;
}

/* Numbers the groups of sites that become one; keys are sorted. */
static uint32_t make_groups(struct key *keys, size_t count, uint64_t *builds)
{
	uint32_t groups = 0;

	for (size_t i = 0, end; i < count; i = end) {
		bool together;

		for (end = i + 1; end < count; end++)
			if (keys[end].fingerprint != keys[i].fingerprint)
				break;
		together = one_per_build(keys + i, end - i, builds);
		for (size_t j = i; j < end; j++) {
			if (j > i && !together && keys[j].text != keys[j - 1].text)
				groups++;
			keys[j].group = groups;
		}
		groups++;
	}
	return groups;
}

static void add_site(struct report_site *sum, const struct report_site *s)
{
	figure_add(&sum->totals.allocated, &s->totals.allocated);
	figure_add(&sum->totals.freed, &s->totals.freed);
	figure_add(&sum->freed_unseen, &s->freed_unseen);
	if (__builtin_add_overflow(sum->totals.peak_bytes, s->totals.peak_bytes,
				   &sum->totals.peak_bytes))
		sum->totals.peak_bytes = INT64_MAX;
	if (s->age_min_ns < sum->age_min_ns)
		sum->age_min_ns = s->age_min_ns;
	if (s->age_max_ns > sum->age_max_ns)
		sum->age_max_ns = s->age_max_ns;
	for (int i = 0; i < REPORT_AGES; i++)
		sum->ages[i] += s->ages[i];
	for (int i = 0; i < REPORT_LIFETIMES; i++)
		sum->lifetimes[i] += s->lifetimes[i];
	for (int i = 0; i < 5; i++)
		sum->verdicts[i] += s->verdicts[i];
}

/* The lowest order is unique up to stacks that are the same in all that is shown. */
static void show_stack(struct report *r, struct report_site *site, const struct key *k)
{
	const struct model_stack *stack = &r->stacks[r->raw[k->site].stack];

	site->fingerprint = k->fingerprint;
	site->locations = r->locations + stack->first;
	site->depth = stack->depth;
}

static struct report_site *merge(struct report *r, const struct key *keys, uint32_t groups,
				 uint32_t *new_index)
{
	struct report_site *merged = calloc((size_t)groups + 1, sizeof(*merged));
	uint64_t *lowest = calloc((size_t)groups + 1, sizeof(*lowest));

	for (size_t i = 0; merged && lowest && i < r->site_count; i++) {
		const struct key *k = &keys[i];
		struct report_site *old = &r->sites[k->site], *sum = &merged[k->group];
		bool first = !i || keys[i - 1].group != k->group;

		new_index[k->site] = k->group;
		if (first) {
			sum->kind = old->kind;
			sum->cache = old->cache;
			sum->age_min_ns = UINT64_MAX;
		}
		if (first || k->order < lowest[k->group]) {
			lowest[k->group] = k->order;
			show_stack(r, sum, k);
		}
		sum->flags |= r->stacks[r->raw[k->site].stack].flags;
		add_site(sum, old);
	}
	if (!lowest) {
		free(merged);
		merged = NULL;
	}
	free(lowest);
	return merged;
}

/* ---- what refers to sites ---- */

static int compare_holdings(const void *a, const void *b)
{
	const struct report_holding *x = a, *y = b;

	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return (x->tid > y->tid) - (x->tid < y->tid);
}

static void merge_holdings(struct report *r, const uint32_t *new_index)
{
	struct report_holding *h = r->holdings;
	size_t kept = 0;

	for (size_t i = 0; i < r->holding_count; i++)
		h[i].site = new_index[h[i].site];
	if (r->holding_count)
		qsort(h, r->holding_count, sizeof(*h), compare_holdings);
	for (size_t i = 0; i < r->holding_count; i++) {
		if (!kept || compare_holdings(&h[kept - 1], &h[i])) {
			h[kept++] = h[i];
			continue;
		}
		figure_add(&h[kept - 1].live, &h[i].live);
		figure_add(&h[kept - 1].inherited, &h[i].inherited);
		if (h[i].oldest_ns > h[kept - 1].oldest_ns)
			h[kept - 1].oldest_ns = h[i].oldest_ns;
	}
	r->holding_count = kept;
}

static int compare_blocks(const void *a, const void *b)
{
	const struct report_block *x = a, *y = b;

	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	return (x->addr > y->addr) - (x->addr < y->addr);
}

static int compare_points(const void *a, const void *b)
{
	const struct report_point *x = a, *y = b;

	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return (x->realtime_ns > y->realtime_ns) - (x->realtime_ns < y->realtime_ns);
}

/* Several stacks of one site have a point each for one moment: together they are one. */
static void merge_points(struct report *r, const uint32_t *new_index)
{
	struct report_point *p = r->points;
	size_t kept = 0;

	for (size_t i = 0; i < r->point_count; i++)
		p[i].site = new_index[p[i].site];
	if (r->point_count)
		qsort(p, r->point_count, sizeof(*p), compare_points);
	for (size_t i = 0; i < r->point_count; i++) {
		if (!kept || compare_points(&p[kept - 1], &p[i])) {
			p[kept++] = p[i];
			continue;
		}
		p[kept - 1].count += p[i].count;
		p[kept - 1].bytes += p[i].bytes;
	}
	r->point_count = kept;
}

static void remap_blocks(struct report *r, const uint32_t *new_index)
{
	for (size_t i = 0; i < r->block_count; i++)
		r->blocks[i].site = new_index[r->blocks[i].site];
	if (r->block_count)
		qsort(r->blocks, r->block_count, sizeof(*r->blocks), compare_blocks);
}

int report_merge_sites(struct report *r)
{
	size_t count = r->site_count;
	struct key *keys = malloc((count + 1) * sizeof(*keys));
	uint64_t *builds = malloc((count + 1) * sizeof(*builds));
	uint32_t *new_index = malloc((count + 1) * sizeof(*new_index));
	struct report_site *merged = NULL;
	uint32_t groups = 0;
	int err = -ENOMEM;

	if (keys && builds && new_index) {
		for (size_t i = 0; i < count; i++)
			make_key(r, (uint32_t)i, &keys[i]);
		qsort(keys, count, sizeof(*keys), compare_keys);
		groups = make_groups(keys, count, builds);
		merged = merge(r, keys, groups, new_index);
	}
	if (merged) {
		merge_holdings(r, new_index);
		merge_points(r, new_index);
		remap_blocks(r, new_index);
		free(r->sites);
		r->sites = merged;
		r->site_count = groups;
		err = 0;
	}
	free(keys);
	free(builds);
	free(new_index);
	return err;
}

// SPDX-License-Identifier: MIT
/* cache_holdings.c - who holds objects of which slab cache. */
#include "report/report_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int report_add_cache_holding(struct report *r, uint32_t process, const char *cache,
			     const struct figure *live)
{
	struct report_cache_holding *list = array_grow(r->cache_holdings, r->cache_holding_count,
						       &r->cache_holding_room, sizeof(*list));

	if (!list)
		return -ENOMEM;
	r->cache_holdings = list;
	list[r->cache_holding_count++] = (struct report_cache_holding){ process, cache, *live };
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct report_cache_holding *x = a, *y = b;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return strcmp(x->cache, y->cache);
}

static int compare_counts(const void *a, const void *b)
{
	const struct report_cache_holding *x = a, *y = b;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	if (x->live.est_count != y->live.est_count)
		return x->live.est_count > y->live.est_count ? -1 : 1;
	return strcmp(x->cache, y->cache);
}

static void sum_equal(struct report *r)
{
	struct report_cache_holding *c = r->cache_holdings;
	size_t kept = 0;

	for (size_t i = 0; i < r->cache_holding_count; i++) {
		if (kept && !compare_names(&c[kept - 1], &c[i]))
			figure_add(&c[kept - 1].live, &c[i].live);
		else
			c[kept++] = c[i];
	}
	r->cache_holding_count = kept;
}

void report_attach_cache_holdings(struct report *r)
{
	struct report_cache_holding *c = r->cache_holdings;

	if (!r->cache_holding_count)
		return;
	qsort(c, r->cache_holding_count, sizeof(*c), compare_names);
	sum_equal(r);
	qsort(c, r->cache_holding_count, sizeof(*c), compare_counts);
	for (size_t i = 0; i < r->cache_holding_count; i++) {
		struct report_process *p = &r->processes[c[i].process];

		if (!p->cache_count++)
			p->caches = &c[i];
	}
}

// SPDX-License-Identifier: MIT
/* finish.c - merged sites to a report: sums, filters, order. */
#include "report/baseline.h"
#include "report/rank.h"
#include "report/report_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Everything that refers to sites is sorted by site: gives each site its part. */
static void attach_parts(struct report *r)
{
	for (size_t i = 0; i < r->holding_count; i++) {
		struct report_site *site = &r->sites[r->holdings[i].site];

		if (!site->holding_count++)
			site->holdings = &r->holdings[i];
	}
	for (size_t i = 0; i < r->block_count; i++) {
		struct report_site *site = &r->sites[r->blocks[i].site];

		if (!site->block_count++)
			site->blocks = &r->blocks[i];
	}
	for (size_t i = 0; i < r->point_count; i++) {
		struct report_site *site = &r->sites[r->points[i].site];

		if (!site->point_count++)
			site->points = &r->points[i];
	}
}

static void sum_holdings(struct report_site *site)
{
	for (size_t i = 0; i < site->holding_count; i++) {
		figure_add(&site->live, &site->holdings[i].live);
		figure_add(&site->inherited, &site->holdings[i].inherited);
	}
}

/* The slope of a least-squares line through the points of one process, bytes per minute. */
static double slope(const struct report_point *p, size_t count)
{
	double st = 0, sb = 0, stt = 0, stb = 0, n = (double)count, spread;

	for (size_t i = 0; i < count; i++) {
		double t = (double)(p[i].realtime_ns - p[0].realtime_ns) / 60e9;
		double b = (double)p[i].bytes;

		st += t;
		sb += b;
		stt += t * t;
		stb += t * b;
	}
	spread = n * stt - st * st;
	return count > 1 && spread > 0 ? (n * stb - st * sb) / spread : 0;
}

static bool is_known(const struct report *r, const struct report_site *site)
{
	return r->options.baseline && baseline_has(r->options.baseline, site->fingerprint);
}

static void add_growth(struct report_site *site)
{
	for (size_t i = 0, end; i < site->point_count; i = end) {
		for (end = i + 1; end < site->point_count; end++)
			if (site->points[end].process != site->points[i].process)
				break;
		site->growth += slope(site->points + i, end - i);
	}
}

static bool is_empty(const struct report_site *site)
{
	return !site->live.count && !site->inherited.count && !site->totals.allocated.count &&
	       !site->totals.freed.count && !site->freed_unseen.count && !site->point_count;
}

/* ---- sums ---- */

static void add_to_process(struct report_process *p, const struct report_site *site,
			   const struct report_holding *h, bool first)
{
	figure_add(&p->live[site->kind], &h->live);
	figure_add(&p->inherited, &h->inherited);
	if (first && h->live.count)
		p->sites[site->kind]++;
}

static int add_to_sums(struct report *r, const struct report_site *site)
{
	struct report_summary *sum = &r->summary;
	int err = 0;

	sum->sites++;
	if (site->live.count)
		sum->sites_live++;
	figure_add(&sum->live[site->kind], &site->live);
	figure_add(&sum->all, &site->live);
	figure_add(&sum->inherited, &site->inherited);
	figure_add(&sum->freed_unseen, &site->freed_unseen);
	for (size_t i = 0; i < site->holding_count && !err; i++) {
		const struct report_holding *h = &site->holdings[i];

		add_to_process(&r->processes[h->process], site, h,
			       !i || h->process != h[-1].process);
		if (site->cache)
			err = report_add_cache_holding(r, h->process, site->cache, &h->live);
	}
	return err;
}

/* ---- order ---- */

static int compare_sites(const void *a, const void *b)
{
	const struct report_site *x = *(const struct report_site *const *)a;
	const struct report_site *y = *(const struct report_site *const *)b;

	if (!x->live.count != !y->live.count)
		return x->live.count ? -1 : 1;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	if (x->live.est_bytes != y->live.est_bytes)
		return x->live.est_bytes > y->live.est_bytes ? -1 : 1;
	if (x->live.est_count != y->live.est_count)
		return x->live.est_count > y->live.est_count ? -1 : 1;
	if (x->totals.allocated.bytes != y->totals.allocated.bytes)
		return x->totals.allocated.bytes > y->totals.allocated.bytes ? -1 : 1;
	if (x->fingerprint != y->fingerprint)
		return x->fingerprint < y->fingerprint ? -1 : 1;
	return (x->depth > y->depth) - (x->depth < y->depth);
}

static double score(const struct report_site *site, enum report_sort sort)
{
	switch (sort) {
	case SORT_COUNT:
		return site->live.est_count;
	case SORT_AGE:
		return (double)site->age_max_ns;
	case SORT_GROWTH:
		return site->growth;
	case SORT_SUSPICION:
		return site_suspicion(site);
	default:
		return site->live.est_bytes;
	}
}

static void cut_to_top(struct report *r)
{
	size_t top = r->options.top;

	if (!top || r->shown_count <= top)
		return;
	for (size_t i = top; i < r->shown_count; i++)
		figure_add(&r->summary.hidden, &r->shown[i]->live);
	r->shown_count = top;
}

int report_finish(struct report *r)
{
	int err = 0;

	r->shown = malloc((r->site_count + 1) * sizeof(*r->shown));
	if (!r->shown)
		return -ENOMEM;
	attach_parts(r);
	for (size_t i = 0; i < r->site_count && !err; i++) {
		struct report_site *site = &r->sites[i];
		bool suppressed = false;

		sum_holdings(site);
		if (is_empty(site))
			continue;
		if (!report_wants_site(r, site, &suppressed)) {
			if (suppressed)
				figure_add(&r->summary.suppressed, &site->live);
			continue;
		}
		if (is_known(r, site)) {
			figure_add(&r->summary.known, &site->live);
			continue;
		}
		add_growth(site);
		site->score = score(site, r->options.sort);
		err = add_to_sums(r, site);
		r->shown[r->shown_count++] = site;
	}
	qsort(r->shown, r->shown_count, sizeof(*r->shown), compare_sites);
	cut_to_top(r);
	report_attach_cache_holdings(r);
	return err;
}

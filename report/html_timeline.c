// SPDX-License-Identifier: MIT
/* html_timeline.c - outstanding memory over time for the HTML report. */
#include "report/html_timeline.h"

#include "common/array.h"
#include "common/hash_index.h"
#include "report/html_json.h"

#include <errno.h>
#include <stdlib.h>

/* Points of single sites in one page: some 15 bytes each. */
#define SITE_POINTS_MAX 100000u

struct total {
	uint64_t ms;
	uint32_t process, kind;
	double count, bytes;
};

struct html_timeline {
	uint64_t *times;	/* ms, ascending, each once */
	size_t time_count;
	struct total *totals;	/* by process, kind, time */
	size_t total_count, total_room;
	struct hash_index index;
	size_t site_points;	/* written so far */
};

static uint64_t point_ms(const struct report_point *p)
{
	return p->realtime_ns / 1000000;
}

static bool same_total(const void *owner, uint32_t index, const void *key)
{
	const struct html_timeline *t = owner;
	const struct total *a = &t->totals[index], *b = key;

	return a->ms == b->ms && a->process == b->process && a->kind == b->kind;
}

static int add_point(struct html_timeline *t, const struct report_point *p, enum report_kind kind)
{
	struct total key = { .ms = point_ms(p), .process = p->process, .kind = kind }, *totals;
	uint64_t hash = hash_mix(key.ms ^ hash_mix((uint64_t)key.process << 8 | kind));
	uint32_t i = hash_index_find(&t->index, hash, same_total, t, &key);

	if (i == HASH_INDEX_NONE) {
		totals = array_grow(t->totals, t->total_count, &t->total_room, sizeof(*totals));
		if (!totals)
			return -ENOMEM;
		t->totals = totals;
		i = (uint32_t)t->total_count;
		if (hash_index_add(&t->index, hash, i))
			return -ENOMEM;
		totals[t->total_count++] = key;
	}
	t->totals[i].count += (double)p->count;
	t->totals[i].bytes += (double)p->bytes;
	return 0;
}

static int compare_totals(const void *a, const void *b)
{
	const struct total *x = a, *y = b;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return (x->ms > y->ms) - (x->ms < y->ms);
}

static int compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int collect_times(struct html_timeline *t)
{
	size_t kept = 0;

	t->times = malloc((t->total_count + 1) * sizeof(*t->times));
	if (!t->times)
		return -ENOMEM;
	for (size_t i = 0; i < t->total_count; i++)
		t->times[i] = t->totals[i].ms;
	qsort(t->times, t->total_count, sizeof(*t->times), compare_times);
	for (size_t i = 0; i < t->total_count; i++)
		if (!i || t->times[i] != t->times[kept - 1])
			t->times[kept++] = t->times[i];
	t->time_count = kept;
	return 0;
}

static int sum_points(struct html_timeline *t, const struct report *r)
{
	const struct report_site *site;
	int err = 0;

	for (size_t i = 0; (site = report_site(r, i)) && !err; i++)
		for (size_t p = 0; p < site->point_count && !err; p++)
			err = add_point(t, &site->points[p], site->kind);
	return err;
}

int html_timeline_new(const struct report *r, struct html_timeline **out)
{
	struct html_timeline *t = calloc(1, sizeof(*t));
	int err = t ? sum_points(t, r) : -ENOMEM;

	if (!err)
		err = collect_times(t);
	if (err) {
		html_timeline_free(t);
		return err;
	}
	/* The index is of no use from here on. */
	if (t->total_count)
		qsort(t->totals, t->total_count, sizeof(*t->totals), compare_totals);
	*out = t;
	return 0;
}

void html_timeline_free(struct html_timeline *t)
{
	if (!t)
		return;
	hash_index_free(&t->index);
	free(t->totals);
	free(t->times);
	free(t);
}

/* ---- writing ---- */

static size_t time_index(const struct html_timeline *t, uint64_t ms)
{
	const uint64_t *found = bsearch(&ms, t->times, t->time_count, sizeof(ms), compare_times);

	return found ? (size_t)(found - t->times) : 0;
}

static void write_point(FILE *out, const struct html_timeline *t, uint64_t ms, double count,
			double bytes)
{
	fprintf(out, "%zu,", time_index(t, ms));
	html_json_number(out, count);
	fputc(',', out);
	html_json_number(out, bytes);
}

static void write_series(FILE *out, const struct html_timeline *t, size_t first, size_t end)
{
	fprintf(out, "[%u,%u,[", t->totals[first].process, t->totals[first].kind);
	for (size_t i = first; i < end; i++) {
		if (i > first)
			fputc(',', out);
		write_point(out, t, t->totals[i].ms, t->totals[i].count, t->totals[i].bytes);
	}
	fputs("]]", out);
}

void html_timeline_write(FILE *out, const struct html_timeline *t)
{
	bool more = false;

	fputs("\"timeline\":{\"times\":[", out);
	for (size_t i = 0; i < t->time_count; i++) {
		html_json_comma(out, &more);
		html_json_number(out, (double)t->times[i]);
	}
	fputs("],\"series\":[", out);
	for (size_t i = 0, end; i < t->total_count; i = end) {
		for (end = i + 1; end < t->total_count; end++)
			if (t->totals[end].process != t->totals[i].process ||
			    t->totals[end].kind != t->totals[i].kind)
				break;
		if (i)
			fputc(',', out);
		write_series(out, t, i, end);
	}
	fputs("]}", out);
}

void html_timeline_write_site(FILE *out, struct html_timeline *t, const struct report_site *site)
{
	const struct report_point *p = site->points;

	if (!site->point_count || t->site_points + site->point_count > SITE_POINTS_MAX)
		return;
	t->site_points += site->point_count;
	fputs(",\"points\":[", out);
	for (size_t i = 0; i < site->point_count; i++) {
		bool first = !i || p[i].process != p[i - 1].process;

		if (first)
			fprintf(out, "%s[%u,[", i ? "]]," : "", p[i].process);
		else
			fputc(',', out);
		write_point(out, t, point_ms(&p[i]), (double)p[i].count, (double)p[i].bytes);
	}
	fputs("]]]", out);
}

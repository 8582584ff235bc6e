// SPDX-License-Identifier: MIT
/* diff.c - what grew, came and went between two reports. */
#include "report/diff.h"

#include "common/array.h"
#include "report/json_writer.h"

#include <inttypes.h>
#include <stdlib.h>

struct diff {
	const struct report *before, *after;
	struct diff_entry *entries;
	size_t count, room;
};

static int add_sites(struct diff *d, const struct report *r)
{
	for (size_t i = 0; i < report_site_count(r); i++) {
		const struct report_site *site = report_site(r, i);
		struct diff_entry e = {
			.fingerprint = site->fingerprint, .report = r, .site = site,
		}, *entries;

		*(r == d->before ? &e.before : &e.after) = site->live;
		entries = array_grow(d->entries, d->count, &d->room, sizeof(*entries));
		if (!entries)
			return -1;
		d->entries = entries;
		entries[d->count++] = e;
	}
	return 0;
}

static int compare_fingerprints(const void *a, const void *b)
{
	const struct diff_entry *x = a, *y = b;

	return (x->fingerprint > y->fingerprint) - (x->fingerprint < y->fingerprint);
}

/* Does y show the site better than x: in the new report, and there the larger? */
static bool is_better(const struct diff *d, const struct diff_entry *x, const struct diff_entry *y)
{
	bool x_new = x->report == d->after, y_new = y->report == d->after;

	if (x_new != y_new)
		return y_new;
	return y->site->live.est_bytes > x->site->live.est_bytes;
}

static void merge_entries(struct diff *d)
{
	struct diff_entry *e = d->entries;
	size_t kept = 0;

	if (d->count)
		qsort(e, d->count, sizeof(*e), compare_fingerprints);
	for (size_t i = 0; i < d->count; i++) {
		struct diff_entry *last = kept ? &e[kept - 1] : NULL;

		if (!last || last->fingerprint != e[i].fingerprint) {
			e[kept++] = e[i];
			continue;
		}
		figure_add(&last->before, &e[i].before);
		figure_add(&last->after, &e[i].after);
		if (is_better(d, last, &e[i])) {
			last->report = e[i].report;
			last->site = e[i].site;
		}
	}
	d->count = kept;
}

static void drop_equal(struct diff *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->count; i++) {
		struct diff_entry *e = &d->entries[i];

		e->bytes = e->after.est_bytes - e->before.est_bytes;
		e->count = e->after.est_count - e->before.est_count;
		if (e->bytes != 0 || e->count != 0)
			d->entries[kept++] = *e;
	}
	d->count = kept;
}

static int compare_growth(const void *a, const void *b)
{
	const struct diff_entry *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return compare_fingerprints(a, b);
}

struct diff *diff_new(const struct report *before, const struct report *after)
{
	struct diff *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->before = before;
	d->after = after;
	if (add_sites(d, before) || add_sites(d, after)) {
		diff_free(d);
		return NULL;
	}
	merge_entries(d);
	drop_equal(d);
	if (d->count)
		qsort(d->entries, d->count, sizeof(*d->entries), compare_growth);
	return d;
}

void diff_free(struct diff *d)
{
	if (!d)
		return;
	free(d->entries);
	free(d);
}

const struct diff_entry *diff_entry(const struct diff *d, size_t i)
{
	return i < d->count ? &d->entries[i] : NULL;
}

double diff_growth(const struct diff *d)
{
	double sum = 0;

	for (size_t i = 0; i < d->count; i++)
		if (d->entries[i].bytes > 0)
			sum += d->entries[i].bytes;
	return sum;
}

/* ---- printing ---- */

static const char *change_name(const struct diff_entry *e)
{
	if (!e->before.count)
		return "new";
	if (!e->after.count)
		return "gone";
	return e->bytes < 0 || (e->bytes == 0 && e->count < 0) ? "shrunk" : "grown";
}

static size_t shown(const struct diff *d, size_t top)
{
	return top && top < d->count ? top : d->count;
}

void diff_print_text(FILE *f, const struct diff *d, const struct text_options *o, size_t top)
{
	const struct figure *a = &report_summary(d->before)->all;
	const struct figure *b = &report_summary(d->after)->all;

	fprintf(f, "%zu stacks differ: outstanding %.0f -> %.0f bytes, %.0f -> %.0f allocations\n",
		d->count, a->est_bytes, b->est_bytes, a->est_count, b->est_count);
	for (size_t i = 0; i < shown(d, top); i++) {
		const struct diff_entry *e = &d->entries[i];

		fprintf(f, "\t%s: %+.0f bytes, %+.0f allocations (%.0f -> %.0f bytes) from stack\n",
			change_name(e), e->bytes, e->count, e->before.est_bytes,
			e->after.est_bytes);
		text_print_frames(f, e->report, e->site, o, "\t\t");
	}
	if (shown(d, top) < d->count)
		fprintf(f, "Not shown here: %zu more\n", d->count - shown(d, top));
	if (report_summary(d->before)->sampled || report_summary(d->after)->sampled)
		fputs("Figures are estimates: part of the allocations was recorded.\n", f);
}

static void print_amount(struct json *j, const char *key, const struct figure *f)
{
	json_open(j, key, '{');
	json_number(j, "est_count", f->est_count);
	json_number(j, "est_bytes", f->est_bytes);
	json_close(j, '}');
}

static void print_frames(struct json *j, const struct diff_entry *e)
{
	const struct symbolizer *sym = report_symbolizer(e->report);

	json_open(j, "frames", '[');
	for (uint32_t i = 0; i < e->site->depth; i++) {
		size_t count;
		const struct symbol_frame *s = symbolizer_frames(sym, e->site->locations[i],
								 &count);

		for (size_t k = 0; k < count; k++) {
			json_open(j, NULL, '{');
			json_string(j, "function", s[k].function);
			json_string(j, "module", s[k].module);
			json_string(j, "file", s[k].file);
			json_u64(j, "line", s[k].line);
			json_close(j, '}');
		}
	}
	json_close(j, ']');
}

void diff_print_json(FILE *f, const struct diff *d, size_t top)
{
	struct json j = { .f = f };

	json_open(&j, NULL, '{');
	json_string(&j, "format", "memleak-diff");
	json_u64(&j, "version", 1);
	print_amount(&j, "before", &report_summary(d->before)->all);
	print_amount(&j, "after", &report_summary(d->after)->all);
	json_number(&j, "growth_bytes", diff_growth(d));
	json_open(&j, "sites", '[');
	for (size_t i = 0; i < shown(d, top); i++) {
		const struct diff_entry *e = &d->entries[i];

		json_open(&j, NULL, '{');
		json_hex(&j, "fingerprint", e->fingerprint);
		json_string(&j, "change", change_name(e));
		json_string(&j, "kind", report_kind_name(e->site->kind));
		json_number(&j, "bytes", e->bytes);
		json_number(&j, "count", e->count);
		print_amount(&j, "before", &e->before);
		print_amount(&j, "after", &e->after);
		print_frames(&j, e);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	putc('\n', f);
}

// SPDX-License-Identifier: MIT
/* json_sites.c - the sites of a JSON report, and the frames that they refer to. */
#include "report/json_private.h"

#include "report/rank.h"

#include <errno.h>
#include <stdlib.h>

void json_figure(struct json *j, const char *key, const struct figure *f)
{
	json_open(j, key, '{');
	json_u64(j, "count", f->count);
	json_u64(j, "bytes", f->bytes);
	json_number(j, "est_count", f->est_count);
	json_number(j, "est_bytes", f->est_bytes);
	if (f->var_bytes > 0 || f->var_count > 0) {
		json_number(j, "bound_count", figure_bound(f->var_count));
		json_number(j, "bound_bytes", figure_bound(f->var_bytes));
	}
	json_close(j, '}');
}

static void print_frame(struct json *j, const struct symbol_frame *f)
{
	json_open(j, NULL, '{');
	json_string(j, "function", f->function);
	json_string(j, "module", f->module);
	if (f->module_id)
		json_u64(j, "module_index", f->module_id - 1);
	json_address(j, "address", f->address);
	if (!(f->flags & FRAME_INLINED))
		json_u64(j, "offset", f->offset);
	if (f->file) {
		json_string(j, "file", f->file);
		json_u64(j, "line", f->line);
	}
	if (f->flags & FRAME_INLINED)
		json_bool(j, "inlined", true);
	if (f->flags & FRAME_KERNEL)
		json_bool(j, "kernel", true);
	json_close(j, '}');
}

/* ---- the table of frames ---- */

/* Numbers the frames of a location on first sight, and prints them. */
static void print_location(struct json *j, const struct symbolizer *sym, uint32_t location,
			   struct frame_numbers *n)
{
	size_t count;
	const struct symbol_frame *f = symbolizer_frames(sym, location, &count);

	if (n->first[location])
		return;
	n->first[location] = n->count + 1;
	n->count += (uint32_t)count;
	for (size_t k = 0; k < count; k++)
		print_frame(j, &f[k]);
}

int json_print_frames(struct json *j, const struct report *r, struct frame_numbers *n)
{
	const struct symbolizer *sym = report_symbolizer(r);

	n->count = 0;
	n->first = calloc(symbolizer_location_count(sym) + 1, sizeof(*n->first));
	if (!n->first)
		return -ENOMEM;
	json_open(j, "frames", '[');
	for (size_t i = 0; i < report_site_count(r); i++) {
		const struct report_site *site = report_site(r, i);

		for (uint32_t k = 0; k < site->depth; k++)
			print_location(j, sym, site->locations[k], n);
	}
	json_close(j, ']');
	return 0;
}

/* ---- sites ---- */

static void print_stack(struct json *j, const struct report *r, const struct report_site *site,
			const struct frame_numbers *n)
{
	json_open(j, "frames", '[');
	for (uint32_t i = 0; i < site->depth; i++) {
		size_t count;

		symbolizer_frames(report_symbolizer(r), site->locations[i], &count);
		for (size_t k = 0; k < count; k++)
			json_u64(j, NULL, n->first[site->locations[i]] - 1 + k);
	}
	json_close(j, ']');
}

/* Trailing empty buckets are left out. */
static void print_histogram(struct json *j, const char *key, const uint64_t *buckets, int count)
{
	while (count && !buckets[count - 1])
		count--;
	json_open(j, key, '[');
	for (int i = 0; i < count; i++)
		json_u64(j, NULL, buckets[i]);
	json_close(j, ']');
}

static void print_ages(struct json *j, const struct report_site *site)
{
	uint64_t ages[REPORT_AGES];

	if (site->age_min_ns > site->age_max_ns)
		return;
	for (int i = 0; i < REPORT_AGES; i++)
		ages[i] = site->ages[i];
	json_u64(j, "age_min_ms", site->age_min_ns / 1000000);
	json_u64(j, "age_max_ms", site->age_max_ns / 1000000);
	print_histogram(j, "ages", ages, REPORT_AGES);
}

static void print_threads(struct json *j, const struct report_holding *h, size_t count)
{
	json_open(j, "threads", '[');
	for (size_t i = 0; i < count; i++) {
		json_open(j, NULL, '{');
		json_u64(j, "tid", h[i].tid);
		json_u64(j, "count", h[i].live.count);
		json_u64(j, "bytes", h[i].live.bytes);
		json_u64(j, "oldest_ms", h[i].oldest_ns / 1000000);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void print_holders(struct json *j, const struct report_site *site)
{
	const struct report_holding *h = site->holdings;

	json_open(j, "processes", '[');
	for (size_t i = 0, end; i < site->holding_count; i = end) {
		struct figure live = { 0 }, inherited = { 0 };

		for (end = i; end < site->holding_count && h[end].process == h[i].process; end++) {
			figure_add(&live, &h[end].live);
			figure_add(&inherited, &h[end].inherited);
		}
		json_open(j, NULL, '{');
		json_u64(j, "process", h[i].process);
		json_figure(j, "live", &live);
		if (inherited.count)
			json_figure(j, "inherited", &inherited);
		print_threads(j, h + i, end - i);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void print_points(struct json *j, const struct report_site *site)
{
	if (!site->point_count)
		return;
	json_number(j, "growth_bytes_per_min", site->growth);
	json_open(j, "timeline", '[');
	for (size_t i = 0; i < site->point_count; i++) {
		const struct report_point *p = &site->points[i];

		json_open(j, NULL, '[');
		json_u64(j, NULL, p->process);
		json_u64(j, NULL, p->realtime_ns / 1000000);
		json_u64(j, NULL, p->count);
		json_u64(j, NULL, p->bytes);
		json_close(j, ']');
	}
	json_close(j, ']');
}

static void print_verdicts(struct json *j, const struct report_site *site)
{
	static const char *const names[] = { "young", "live", "freed", "gone", "unverified" };

	if (report_kind_domain(site->kind) != DOMAIN_KERNEL)
		return;
	json_open(j, "verdicts", '{');
	for (int i = 0; i < 5; i++)
		json_u64(j, names[i], site->verdicts[i]);
	json_close(j, '}');
}

static void print_blocks(struct json *j, const struct report_site *site)
{
	if (!site->block_count)
		return;
	json_open(j, "blocks", '[');
	for (size_t i = 0; i < site->block_count; i++) {
		const struct report_block *b = &site->blocks[i];

		json_open(j, NULL, '{');
		json_address(j, "address", b->addr);
		json_u64(j, "size", b->size);
		json_u64(j, "process", b->process);
		json_u64(j, "age_ms", b->age_ns / 1000000);
		json_close(j, '}');
	}
	json_close(j, ']');
}

/* The module of the innermost frame: whose code asked for the memory. */
static const char *owner(const struct report *r, const struct report_site *site)
{
	const struct symbol_module *m = !site->depth ? NULL :
		symbolizer_module_info(report_symbolizer(r),
				       symbolizer_location_module(report_symbolizer(r),
								  site->locations[0]));

	return m ? m->name : NULL;
}

static void print_flags(struct json *j, const struct report_site *site)
{
	json_bool(j, "cut", site->flags & STACK_CUT);
	json_bool(j, "partial", site->flags & STACK_PARTIAL);
	json_bool(j, "guessed", site->flags & STACK_GUESSED);
	json_bool(j, "overflow", site->flags & STACK_OVERFLOW);
}

void json_print_site(struct json *j, const struct report *r, const struct report_site *site,
		     const struct frame_numbers *n)
{
	bool kernel = report_kind_domain(site->kind) == DOMAIN_KERNEL;

	json_open(j, NULL, '{');
	json_hex(j, "fingerprint", site->fingerprint);
	json_string(j, "domain", kernel ? "kernel" : "user");
	json_string(j, "kind", report_kind_name(site->kind));
	json_string(j, "module", owner(r, site));
	if (site->cache)
		json_string(j, "cache", site->cache);
	json_figure(j, "live", &site->live);
	if (site->inherited.count)
		json_figure(j, "inherited", &site->inherited);
	json_figure(j, "allocated", &site->totals.allocated);
	json_figure(j, "freed", &site->totals.freed);
	json_i64(j, "peak_bytes", site->totals.peak_bytes);
	json_number(j, "suspicion_bytes", site_suspicion(site));
	print_ages(j, site);
	print_histogram(j, "lifetimes", site->lifetimes, REPORT_LIFETIMES);
	print_verdicts(j, site);
	print_flags(j, site);
	print_stack(j, r, site, n);
	print_holders(j, site);
	print_points(j, site);
	print_blocks(j, site);
	json_close(j, '}');
	putc('\n', j->f);
}

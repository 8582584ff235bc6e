// SPDX-License-Identifier: MIT
/* html_data.c - what the viewer shows, as one compact JSON object. */
#include "report/html_data.h"

#include "report/html_json.h"
#include "report/html_tables.h"
#include "report/html_timeline.h"
#include "report/losses.h"
#include "report/rank.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <time.h>

/* Threads listed for one site in one page, the largest holders. */
#define THREADS_MAX 16u

/* Slab caches listed for one process. */
#define CACHES_MAX 8u

struct data_writer {
	FILE *out;
	const struct report *r;
	struct html_tables *tables;
	struct html_timeline *timeline;
};

/* ---- members ---- */

static void member_string(FILE *out, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	fprintf(out, ",\"%s\":", name);
	html_json_string(out, value);
}

static void member_number(FILE *out, const char *name, double value)
{
	if (value == 0)
		return;
	fprintf(out, ",\"%s\":", name);
	html_json_number(out, value);
}

static void member_figure(FILE *out, const char *name, const struct figure *f)
{
	if (f->est_count <= 0 && f->est_bytes <= 0)
		return;
	fprintf(out, ",\"%s\":", name);
	html_json_figure(out, f);
}

static double ms(uint64_t ns)
{
	return (double)(ns / 1000000);
}

/* "[first bucket, n, n, ...]" without the empty buckets on both sides. */
static void member_buckets(FILE *out, const char *name, const uint64_t *buckets, int count)
{
	int first = 0, end = count;

	while (first < end && !buckets[first])
		first++;
	while (end > first && !buckets[end - 1])
		end--;
	if (first == end)
		return;
	fprintf(out, ",\"%s\":[%d", name, first);
	for (int i = first; i < end; i++)
		fprintf(out, ",%" PRIu64, buckets[i]);
	fputc(']', out);
}

/* ---- a site ---- */

/* [[process, count, bytes, oldest ms], ...]: holdings are sorted by process, then thread. */
static void write_holders(FILE *out, const struct report_site *site)
{
	bool more = false;

	fputs(",\"held\":[", out);
	for (size_t i = 0, end; i < site->holding_count; i = end) {
		const struct report_holding *h = &site->holdings[i];
		struct figure sum = { 0 };
		uint64_t oldest = 0;

		for (end = i; end < site->holding_count; end++) {
			if (site->holdings[end].process != h->process)
				break;
			figure_add(&sum, &site->holdings[end].live);
			if (site->holdings[end].oldest_ns > oldest)
				oldest = site->holdings[end].oldest_ns;
		}
		if (sum.est_count <= 0)
			continue;
		html_json_comma(out, &more);
		fprintf(out, "[%u,%.0f,%.0f,%.0f]", h->process, rint(sum.est_count),
			rint(sum.est_bytes), ms(oldest));
	}
	fputc(']', out);
}

/* Puts h among the largest, which are in order; returns how many there are then. */
static size_t keep_largest(const struct report_holding **largest, size_t count,
			   const struct report_holding *h)
{
	size_t at = count;

	while (at > 0 && largest[at - 1]->live.est_bytes < h->live.est_bytes)
		at--;
	if (at == THREADS_MAX)
		return count;
	if (count < THREADS_MAX)
		count++;
	for (size_t i = count - 1; i > at; i--)
		largest[i] = largest[i - 1];
	largest[at] = h;
	return count;
}

/* [[process, tid, count, bytes], ...] when several threads of one process hold something. */
static void write_threads(FILE *out, const struct report_site *site)
{
	const struct report_holding *largest[THREADS_MAX];
	bool several = false;
	size_t count = 0;

	for (size_t i = 0; i < site->holding_count; i++) {
		const struct report_holding *h = &site->holdings[i];

		several |= i && h->process == h[-1].process;
		if (h->tid && h->live.est_count > 0)
			count = keep_largest(largest, count, h);
	}
	if (count < 2 || !several)
		return;
	fputs(",\"threads\":[", out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s[%u,%u,%.0f,%.0f]", i ? "," : "", largest[i]->process,
			largest[i]->tid, rint(largest[i]->live.est_count),
			rint(largest[i]->live.est_bytes));
	fputc(']', out);
}

static void write_ages(FILE *out, const struct report_site *site)
{
	uint64_t ages[REPORT_AGES];

	for (int i = 0; i < REPORT_AGES; i++)
		ages[i] = site->ages[i];
	if (site->age_min_ns <= site->age_max_ns)
		fprintf(out, ",\"age\":[%.0f,%.0f]", ms(site->age_min_ns), ms(site->age_max_ns));
	member_buckets(out, "ages", ages, REPORT_AGES);
	member_buckets(out, "lives", site->lifetimes, REPORT_LIFETIMES);
}

static void write_verdicts(FILE *out, const struct report_site *site)
{
	if (report_kind_domain(site->kind) != DOMAIN_KERNEL)
		return;
	fputs(",\"verdicts\":[", out);
	for (int i = 0; i < 5; i++)
		fprintf(out, "%s%" PRIu64, i ? "," : "", site->verdicts[i]);
	fputc(']', out);
}

static void write_site(struct data_writer *w, const struct report_site *site)
{
	FILE *out = w->out;

	fprintf(out, "{\"id\":\"%016" PRIx64 "\",\"node\":%u,\"kind\":%d", site->fingerprint,
		html_tables_stack(w->tables, site), (int)site->kind);
	if (site->cache)
		fprintf(out, ",\"cache\":%u", html_tables_string(w->tables, site->cache));
	member_number(out, "flags", site->flags);
	fputs(",\"live\":", out);
	html_json_figure(out, &site->live);
	member_figure(out, "inherited", &site->inherited);
	member_figure(out, "allocated", &site->totals.allocated);
	member_figure(out, "freed", &site->totals.freed);
	member_number(out, "peak", (double)site->totals.peak_bytes);
	write_ages(out, site);
	write_verdicts(out, site);
	write_holders(out, site);
	write_threads(out, site);
	member_number(out, "growth", site->growth);
	member_number(out, "suspicion", site_suspicion(site));
	html_timeline_write_site(out, w->timeline, site);
	fputc('}', out);
}

static void write_sites(struct data_writer *w)
{
	const struct report_site *site;

	fputs(",\n\"sites\":[", w->out);
	for (size_t i = 0; (site = report_site(w->r, i)); i++) {
		fputs(i ? ",\n" : "\n", w->out);
		write_site(w, site);
	}
	fputs("],\n", w->out);
}

/* ---- what was recorded ---- */

static void write_losses(FILE *out, const uint64_t loss[LOSS_MAX])
{
	bool more = false;

	fputs(",\"losses\":[", out);
	for (unsigned int i = 0; i < LOSS_MAX; i++) {
		if (!loss[i])
			continue;
		html_json_comma(out, &more);
		fprintf(out, "[%" PRIu64 ",\"%s\",", loss[i], loss_text(i)->name);
		html_json_string(out, loss_text(i)->text);
		fprintf(out, ",%d]", loss_text(i)->understates);
	}
	fputc(']', out);
}

static void write_session(FILE *out, const struct report_session *s)
{
	fprintf(out, "{\"process\":%u", s->process);
	member_string(out, "name", s->name);
	member_number(out, "kernel", s->kind == SESSION_KERNEL);
	member_number(out, "running", s->running);
	member_number(out, "state", s->state);
	member_number(out, "end", s->end_reason);
	member_number(out, "status", s->exit_status);
	member_number(out, "sampling", s->sampling);
	member_number(out, "mean", s->mean);
	member_number(out, "depth", s->depth);
	member_number(out, "features", (double)s->features);
	member_number(out, "min", (double)s->min_size);
	member_number(out, "max", (double)s->max_size);
	member_number(out, "older", ms(s->older_ns));
	member_number(out, "start", ms(s->start_realtime_ns));
	member_number(out, "duration", ms(s->duration_ns));
	member_number(out, "self_bytes", (double)s->self_bytes);
	member_number(out, "self_ms", ms(s->self_ns));
	member_number(out, "reserved", (double)s->reserved_space);
	member_number(out, "sampled_out", (double)s->sampled_out);
	member_number(out, "damaged", s->damage.truncated || s->damage.corrupt ||
		      s->damage.bad_entries);
	member_figure(out, "allocated", &s->allocated);
	member_figure(out, "freed", &s->freed);
	write_losses(out, s->loss);
	fputc('}', out);
}

/* [[name, count, bytes], ...]: what of the kernel's caches it holds most of. */
static void write_held_caches(struct data_writer *w, const struct report_process *p)
{
	if (!p->cache_count)
		return;
	fputs(",\"caches\":[", w->out);
	for (size_t i = 0; i < p->cache_count && i < CACHES_MAX; i++)
		fprintf(w->out, "%s[%u,%.0f,%.0f]", i ? "," : "",
			html_tables_string(w->tables, p->caches[i].cache),
			rint(p->caches[i].live.est_count), rint(p->caches[i].live.est_bytes));
	fputc(']', w->out);
}

static void write_process(struct data_writer *w, const struct report_process *p)
{
	FILE *out = w->out;

	fprintf(out, "{\"pid\":%u", p->pid);
	member_number(out, "parent", p->parent_pid);
	member_string(out, "comm", p->comm);
	member_string(out, "exe", p->exe);
	member_string(out, "command", p->cmdline);
	member_string(out, "host", p->host);
	member_string(out, "cgroup", p->cgroup);
	member_number(out, "session", p->has_session);
	fputs(",\"live\":[", out);
	for (int k = 0; k < KIND_COUNT; k++) {
		if (k)
			fputc(',', out);
		html_json_figure(out, &p->live[k]);
	}
	fputs("],\"sites\":[", out);
	for (int k = 0; k < KIND_COUNT; k++)
		fprintf(out, "%s%zu", k ? "," : "", p->sites[k]);
	fputc(']', out);
	write_held_caches(w, p);
	fputc('}', out);
}

static void write_cache(FILE *out, const struct report_cache *c)
{
	const struct session_cache *n = &c->counts;

	fprintf(out, "{\"session\":%u", c->session);
	member_string(out, "name", c->name);
	member_string(out, "aliases", c->aliases);
	member_number(out, "object", n->object_size);
	member_number(out, "slab", n->slab_size);
	fprintf(out, ",\"active\":[%" PRIu64 ",%" PRIu64 "],\"tracked\":[%" PRIu64 ",%" PRIu64 "]",
		n->active_start, n->active_end, n->tracked_start, n->tracked_end);
	member_number(out, "allocs", (double)n->allocs);
	member_number(out, "frees", (double)n->frees);
	fputc('}', out);
}

static void write_inputs(struct data_writer *w)
{
	const struct report *r = w->r;
	FILE *out = w->out;

	fputs(",\n\"sessions\":[", out);
	for (size_t i = 0; i < report_session_count(r); i++) {
		fputs(i ? ",\n" : "", out);
		write_session(out, report_session(r, i));
	}
	fputs("],\n\"processes\":[", out);
	for (size_t i = 0; i < report_process_count(r); i++) {
		fputs(i ? ",\n" : "", out);
		write_process(w, report_process(r, i));
	}
	fputs("],\n\"caches\":[", out);
	for (size_t i = 0; i < report_cache_count(r); i++) {
		fputs(i ? ",\n" : "", out);
		write_cache(out, report_cache(r, i));
	}
	fputc(']', out);
}

/* ---- the whole ---- */

static void write_summary(FILE *out, const struct report_summary *s)
{
	fputs(",\n\"summary\":{\"all\":", out);
	html_json_figure(out, &s->all);
	fputs(",\"live\":[", out);
	for (int k = 0; k < KIND_COUNT; k++) {
		if (k)
			fputc(',', out);
		html_json_figure(out, &s->live[k]);
	}
	fputc(']', out);
	member_figure(out, "inherited", &s->inherited);
	member_figure(out, "freed_unseen", &s->freed_unseen);
	member_figure(out, "suppressed", &s->suppressed);
	member_figure(out, "known", &s->known);
	member_figure(out, "hidden", &s->hidden);
	member_number(out, "sites", (double)s->sites);
	member_number(out, "sites_live", (double)s->sites_live);
	member_number(out, "stacks", (double)s->stacks);
	member_number(out, "sampled", s->sampled);
	member_number(out, "lossy", s->lossy);
	member_number(out, "damaged", s->damaged);
	write_losses(out, s->loss);
	fputc('}', out);
}

static void write_filters(FILE *out, const struct report_options *o)
{
	fprintf(out, ",\n\"filters\":{\"domain\":%d", (int)o->domain);
	if (o->older_set)
		fprintf(out, ",\"older\":%.0f", ms(o->older_ns));
	member_number(out, "min", (double)o->min_size);
	member_number(out, "max", (double)o->max_size);
	member_number(out, "pid", o->pid);
	member_number(out, "top", (double)o->top);
	member_number(out, "combined", o->combined);
	member_string(out, "module", o->module);
	member_number(out, "patterns", o->include || o->exclude);
	fputc('}', out);
}

static double made_ms(const struct html_options *o)
{
	struct timespec now;

	if (o->realtime_ns)
		return ms(o->realtime_ns);
	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec * 1000 + (double)(now.tv_nsec / 1000000);
}

static void write_kinds(FILE *out)
{
	fputs(",\"kinds\":[", out);
	for (int k = 0; k < KIND_COUNT; k++)
		fprintf(out, "%s[\"%s\",%d]", k ? "," : "", report_kind_name((enum report_kind)k),
			report_kind_domain((enum report_kind)k) == DOMAIN_KERNEL);
	fputc(']', out);
}

static void write_document(struct data_writer *w, const struct html_options *o)
{
	FILE *out = w->out;

	fputs("{\"version\":1,\"made\":", out);
	html_json_number(out, made_ms(o));
	member_number(out, "refresh", o->refresh_s);
	write_kinds(out);
	write_summary(out, report_summary(w->r));
	write_filters(out, report_options(w->r));
	write_inputs(w);
	write_sites(w);
	html_timeline_write(out, w->timeline);
	fputs(",\n", out);
	html_tables_write(out, w->tables);
	fputs("}", out);
}

int html_data_write(FILE *out, const struct report *r, const struct html_options *o)
{
	struct data_writer w = { .out = out, .r = r };
	int err;

	w.tables = html_tables_new(report_symbolizer(r));
	err = w.tables ? html_timeline_new(r, &w.timeline) : -ENOMEM;
	if (!err) {
		write_document(&w, o);
		if (html_tables_failed(w.tables))
			err = -ENOMEM;
	}
	html_timeline_free(w.timeline);
	html_tables_free(w.tables);
	return err;
}

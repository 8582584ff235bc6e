// SPDX-License-Identifier: MIT
/* metrics.c - the report for a monitoring system. */
#include "report/metrics.h"

#include "common/fmt.h"
#include "report/losses.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROCESSES_MAX 50u
#define SITES_MAX 20u
#define LABEL_MAX 160u	/* bytes of a label value before escaping */

struct metrics {
	FILE *f;
	const struct report *r;
	enum metrics_format format;
	bool labels;	/* some are open: "{a="b"" */
};

/* ---- the format ---- */

/* OpenMetrics declares a counter without its suffix, the older format with it. */
static void family(struct metrics *m, const char *name, const char *type, const char *help)
{
	const char *suffix = !strcmp(type, "counter") && m->format == METRICS_PROMETHEUS ?
			     "_total" : "";

	fprintf(m->f, "# HELP memleak_%s%s %s\n# TYPE memleak_%s%s %s\n", name, suffix, help, name,
		suffix, type);
}

static void label(struct metrics *m, const char *name, const char *value)
{
	char text[LABEL_MAX];

	fmt_name_buf(text, sizeof(text), value ? value : "");
	fprintf(m->f, "%s%s=\"", m->labels ? "," : "{", name);
	m->labels = true;
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			putc('\\', m->f);
		putc(*c, m->f);
	}
	putc('"', m->f);
}

static void label_number(struct metrics *m, const char *name, uint64_t value)
{
	char text[FMT_FIGURE];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	label(m, name, text);
}

static void label_kind(struct metrics *m, int kind)
{
	bool kernel = report_kind_domain((enum report_kind)kind) == DOMAIN_KERNEL;

	label(m, "domain", kernel ? "kernel" : "user");
	label(m, "kind", report_kind_name((enum report_kind)kind));
}

static void begin(struct metrics *m, const char *name)
{
	fprintf(m->f, "memleak_%s", name);
}

static void value(struct metrics *m, double v)
{
	if (m->labels)
		putc('}', m->f);
	m->labels = false;
	if (!isfinite(v))
		v = 0;
	fprintf(m->f, v == rint(v) && fabs(v) < 9e15 ? " %.0f\n" : " %.9g\n", v);
}

static void single(struct metrics *m, const char *name, const char *help, double v)
{
	family(m, name, "gauge", help);
	begin(m, name);
	value(m, v);
}

/* ---- totals ---- */

static void print_kinds(struct metrics *m, const char *name, const char *help, bool bytes)
{
	const struct report_summary *sum = report_summary(m->r);

	family(m, name, "gauge", help);
	for (int k = 0; k < KIND_COUNT; k++) {
		begin(m, name);
		label_kind(m, k);
		value(m, bytes ? sum->live[k].est_bytes : sum->live[k].est_count);
	}
}

static void print_traffic(struct metrics *m, const char *name, const char *help, bool freed,
			  bool bytes)
{
	double user = 0, kernel = 0;

	for (size_t i = 0; i < report_session_count(m->r); i++) {
		const struct report_session *s = report_session(m->r, i);
		const struct figure *f = freed ? &s->freed : &s->allocated;

		*(s->kind == SESSION_KERNEL ? &kernel : &user) +=
			bytes ? f->est_bytes : f->est_count;
	}
	family(m, name, "counter", help);
	for (int i = 0; i < 2; i++) {
		fprintf(m->f, "memleak_%s_total", name);
		label(m, "domain", i ? "kernel" : "user");
		value(m, i ? kernel : user);
	}
}

static void print_losses(struct metrics *m)
{
	const struct report_summary *sum = report_summary(m->r);

	family(m, "losses", "counter", "What was dropped while recording, by cause.");
	for (unsigned int i = 0; i < LOSS_MAX; i++) {
		if (!strcmp(loss_text(i)->name, "unknown") && !sum->loss[i])
			continue;
		fputs("memleak_losses_total", m->f);
		label(m, "cause", loss_text(i)->name);
		if (!strcmp(loss_text(i)->name, "unknown"))
			label_number(m, "number", i);
		value(m, (double)sum->loss[i]);
	}
}

static void print_oldest(struct metrics *m)
{
	const struct report_site *site;
	uint64_t oldest = 0;

	for (size_t i = 0; (site = report_site(m->r, i)); i++)
		if (site->age_min_ns <= site->age_max_ns && site->age_max_ns > oldest)
			oldest = site->age_max_ns;
	single(m, "oldest_block_seconds", "Age of the oldest outstanding block.",
	       (double)oldest / 1e9);
}

static void print_totals(struct metrics *m)
{
	const struct report_summary *sum = report_summary(m->r);
	double memory = 0;

	print_kinds(m, "outstanding_bytes", "Memory allocated and not freed.", true);
	print_kinds(m, "outstanding_blocks", "Blocks allocated and not freed.", false);
	print_traffic(m, "allocated_bytes", "Bytes allocated since recording began.", false, true);
	print_traffic(m, "allocated_blocks", "Blocks allocated since recording began.", false,
		      false);
	print_traffic(m, "freed_bytes", "Bytes freed since recording began.", true, true);
	print_traffic(m, "freed_blocks", "Blocks freed since recording began.", true, false);
	print_losses(m);
	print_oldest(m);
	single(m, "outstanding_sites", "Call stacks that hold memory.", (double)sum->sites_live);
	single(m, "sampled", "1: figures are estimates from a sample.", sum->sampled);
	single(m, "sessions", "Recordings in the report.", (double)report_session_count(m->r));
	for (size_t i = 0; i < report_session_count(m->r); i++)
		memory += (double)report_session(m->r, i)->self_bytes;
	single(m, "recorder_memory_bytes", "Private memory of the recorders.", memory);
}

/* ---- the largest processes and sites ---- */

static double held_by(const struct report_process *p)
{
	double sum = 0;

	for (int k = 0; k < KIND_COUNT; k++)
		sum += p->live[k].est_bytes;
	return sum;
}

static int compare_processes(const void *a, const void *b)
{
	double x = held_by(*(const struct report_process *const *)a);
	double y = held_by(*(const struct report_process *const *)b);

	return (x < y) - (x > y);
}

/* Pids of several hosts, and of programs that follow one another by exec, may be equal. */
static int print_processes(struct metrics *m)
{
	size_t count = report_process_count(m->r);
	const struct report_process **list = malloc((count + 1) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		list[i] = report_process(m->r, i);
	qsort(list, count, sizeof(*list), compare_processes);
	family(m, "process_outstanding_bytes", "gauge",
	       "Memory allocated and not freed, of the processes that hold most.");
	for (size_t i = 0; i < count && i < PROCESSES_MAX; i++) {
		for (int k = 0; k < KIND_COUNT; k++) {
			if (list[i]->live[k].est_bytes <= 0)
				continue;
			begin(m, "process_outstanding_bytes");
			label_number(m, "process_pid", list[i]->pid);
			label_number(m, "process_start", list[i]->start_ticks);
			label(m, "host", list[i]->host);
			label(m, "comm", list[i]->comm);
			label(m, "exe", list[i]->exe);
			label_kind(m, k);
			value(m, list[i]->live[k].est_bytes);
		}
	}
	free(list);
	return 0;
}

/* The innermost function that has a name. */
static const struct symbol_frame *site_frame(const struct metrics *m,
					     const struct report_site *site)
{
	for (uint32_t i = 0; i < site->depth; i++) {
		size_t count;
		const struct symbol_frame *s = symbolizer_frames(report_symbolizer(m->r),
								 site->locations[i], &count);

		for (size_t k = 0; k < count; k++)
			if (s[k].function)
				return &s[k];
	}
	return NULL;
}

static void site_labels(struct metrics *m, const struct report_site *site)
{
	const struct symbol_frame *frame = site_frame(m, site);
	char id[FMT_FIGURE];

	snprintf(id, sizeof(id), "%016" PRIx64, site->fingerprint);
	label(m, "site", id);
	label(m, "function", frame ? frame->function : "");
	label(m, "module", frame ? frame->module : "");
	label_kind(m, (int)site->kind);
	label(m, "cache", site->cache);
}

/* Sites of one fingerprint (same functions, other lines) are one series. */
static void print_sites(struct metrics *m)
{
	const struct report_site *site, *other;
	bool done[SITES_MAX] = { false };

	family(m, "site_outstanding_bytes", "gauge",
	       "Memory allocated and not freed, of the call stacks that hold most.");
	for (size_t i = 0; i < SITES_MAX && (site = report_site(m->r, i)); i++) {
		double sum = 0;

		if (done[i] || site->live.est_bytes <= 0)
			continue;
		for (size_t k = i; k < SITES_MAX && (other = report_site(m->r, k)); k++) {
			if (other->fingerprint != site->fingerprint)
				continue;
			done[k] = true;
			sum += other->live.est_bytes;
		}
		begin(m, "site_outstanding_bytes");
		site_labels(m, site);
		value(m, sum);
	}
}

int metrics_print(FILE *f, const struct report *r, enum metrics_format format)
{
	struct metrics m = { .f = f, .r = r, .format = format };
	int err;

	print_totals(&m);
	err = print_processes(&m);
	print_sites(&m);
	if (format == METRICS_OPENMETRICS)
		fputs("# EOF\n", f);
	return err;
}

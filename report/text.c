// SPDX-License-Identifier: MIT
/* text.c - stacks with outstanding allocations, in the shape of bcc's memleak. */
#define _GNU_SOURCE 1
#include "report/text.h"

#include "common/fmt.h"
#include "report/rank.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Names of functions are cut to this unless wide: with module and line about 80 columns. */
#define NARROW_NAME 44u

#define BOLD "\033[1m"
#define DIM "\033[2m"
#define RESET "\033[0m"

static const char *colour(const struct text_options *o, const char *code)
{
	return o->colour ? code : "";
}

/* ---- frames ---- */

/*
 * "ns::f<A<B> >(int)" to "ns::f<...>(...)": what is between brackets goes, but
 * operators keep their names.
 */
static void shorten(const char *name, char *out, size_t size)
{
	size_t used = 0;
	int depth = 0;

	for (const char *p = name; *p && used + 8 < size; p++) {
		bool opens = *p == '<' || *p == '(';
		bool is_operator = p - name >= 8 && !strncmp(p - 8, "operator", 8);

		if ((*p == '>' || *p == ')') && depth) {
			depth--;
			if (depth)
				continue;
		} else if (opens && !is_operator) {
			if (!depth++ && p[1] != '>' && p[1] != ')')
				used += (size_t)snprintf(out + used, size - used, "%c...", *p);
			else if (depth == 1)
				out[used++] = *p;
			continue;
		}
		if (!depth)
			out[used++] = *p;
	}
	out[used] = 0;
}

static void print_function(FILE *f, const char *name, const struct text_options *o)
{
	char brief[FMT_NAME_MAX];

	if (!o->wide && strlen(name) > NARROW_NAME) {
		shorten(name, brief, sizeof(brief));
		if (*brief)
			name = brief;
	}
	fmt_name(f, name, o->wide ? 0 : NARROW_NAME * 2);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static void print_frame(FILE *f, const struct symbol_frame *s, const struct text_options *o)
{
	if (s->function) {
		print_function(f, s->function, o);
		if (s->flags & FRAME_INLINED)
			fputs(" (inlined)", f);
		else
			fprintf(f, "+0x%" PRIx64, s->offset);
	} else if (s->module_id && !(s->flags & FRAME_KERNEL)) {
		fmt_name(f, s->module, FMT_NAME_MAX);
		fprintf(f, "+0x%" PRIx64, s->offset);
	} else {
		fprintf(f, "0x%" PRIx64, s->address);
	}
	fputs(" [", f);
	fmt_name(f, s->module_id ? s->module : "unknown", FMT_NAME_MAX);
	putc(']', f);
	if (!s->file)
		return;
	fprintf(f, " %s", colour(o, DIM));
	fmt_name(f, o->wide ? s->file : base_name(s->file), o->wide ? 0 : FMT_NAME_MAX);
	if (s->line)
		fprintf(f, ":%" PRIu32, s->line);
	fputs(colour(o, RESET), f);
}

void text_print_frames(FILE *f, const struct report *r, const struct report_site *site,
		       const struct text_options *o, const char *indent)
{
	for (uint32_t i = 0; i < site->depth; i++) {
		size_t count;
		const struct symbol_frame *s = symbolizer_frames(report_symbolizer(r),
								 site->locations[i], &count);

		for (size_t j = 0; j < count; j++) {
			fputs(indent, f);
			print_frame(f, &s[j], o);
			putc('\n', f);
		}
	}
	if (site->flags & STACK_OVERFLOW)
		fprintf(f, "%s[stacks beyond max-stacks]\n", indent);
	else if (!site->depth)
		fprintf(f, "%s[no stack]\n", indent);
	else if (site->flags & (STACK_CUT | STACK_PARTIAL))
		fprintf(f, "%s[%s]\n", indent, site->flags & STACK_CUT ?
			"cut here: deeper than the depth setting" : "stack ends early");
	if (site->flags & STACK_GUESSED)
		fprintf(f, "%s[some frames were found by frame pointers only]\n", indent);
}

/* ---- sites ---- */

/* Exact counts as integers; estimates rounded, the bound follows in brackets. */
static void print_amount(FILE *f, const struct figure *l, const char *what)
{
	double bound = figure_bound(l->var_bytes);

	if (bound > 0)
		fprintf(f, "%.0f bytes in %.0f %s", l->est_bytes, l->est_count, what);
	else
		fprintf(f, "%" PRIu64 " bytes in %" PRIu64 " %s", l->bytes, l->count, what);
}

static void print_bound(FILE *f, const struct figure *l)
{
	if (l->var_bytes > 0)
		fprintf(f, " (estimate, +-%.0f bytes, +-%.0f allocations)",
			figure_bound(l->var_bytes), figure_bound(l->var_count));
}

static void print_origin(FILE *f, const struct report_site *site)
{
	if (site->cache) {
		fprintf(f, " (%s ", report_kind_name(site->kind));
		fmt_name(f, site->cache, FMT_NAME_MAX);
		putc(')', f);
	} else if (site->kind != KIND_HEAP) {
		fprintf(f, " (%s)", report_kind_name(site->kind));
	}
	if (site->verdicts[VERDICT_UNVERIFIED])
		fprintf(f, " (%" PRIu64 " unverified)", site->verdicts[VERDICT_UNVERIFIED]);
	if (site->inherited.count)
		fprintf(f, " (%" PRIu64 " inherited over fork)", site->inherited.count);
}

static void print_blocks(FILE *f, const struct report_site *site)
{
	for (size_t i = 0; i < site->block_count; i++)
		fprintf(f, "\taddr = %" PRIx64 " size = %" PRIu64 "\n", site->blocks[i].addr,
			site->blocks[i].size);
}

static void print_details(FILE *f, const struct report_site *site)
{
	uint64_t freed = site_freed(site);
	char oldest[FMT_FIGURE], usual[FMT_FIGURE], bytes[FMT_FIGURE];

	if (site->age_min_ns <= site->age_max_ns)
		fprintf(f, "\t\t- oldest %s", fmt_duration(oldest, site->age_max_ns));
	else
		fputs("\t\t- ages unknown", f);
	if (freed)
		fprintf(f, "; of %" PRIu64 " freed here 99 %% lived less than %s", freed,
			fmt_duration(usual, site_lifetime_ns(site, 0.99)));
	else if (site->totals.allocated.count)
		fputs("; none was ever freed here", f);
	if (site->totals.peak_bytes > 0)
		fprintf(f, "; peak %s", fmt_bytes(bytes, (double)site->totals.peak_bytes));
	if (site->growth != 0)
		fprintf(f, "; %s%s/min", site->growth > 0 ? "+" : "",
			fmt_bytes(bytes, site->growth));
	putc('\n', f);
}

static void print_site(FILE *f, const struct report *r, const struct report_site *site,
		       const struct text_options *o)
{
	if (o->show_allocs)
		print_blocks(f, site);
	fprintf(f, "\t%s", colour(o, BOLD));
	print_amount(f, &site->live, "allocations from stack");
	fputs(colour(o, RESET), f);
	print_bound(f, &site->live);
	print_origin(f, site);
	putc('\n', f);
	text_print_frames(f, r, site, o, "\t\t");
	if (o->details)
		print_details(f, site);
}

/* Sites that hold something come first. */
static size_t shown_sites(const struct report *r, const struct text_options *o)
{
	size_t n = 0;

	while (n < report_site_count(r) && (!o->top || n < o->top) &&
	       report_site(r, n)->live.count)
		n++;
	return n;
}

void text_print_stacks(FILE *f, const struct report *r, const struct text_options *o)
{
	size_t shown = shown_sites(r, o);
	char now[16];
	time_t t = time(NULL);
	struct tm tm;

	if (!strftime(now, sizeof(now), "%H:%M:%S", localtime_r(&t, &tm)))
		now[0] = 0;
	fprintf(f, "[%s] Top %zu stacks with outstanding allocations:\n", o->time ? o->time : now,
		shown);
	for (size_t i = 0; i < shown; i++)
		print_site(f, r, report_site(r, i), o);
}

/* ---- totals ---- */

static void print_kinds(FILE *f, const struct figure live[KIND_COUNT], const size_t *sites)
{
	char bytes[FMT_FIGURE];
	const char *separator = "";

	for (int k = 0; k < KIND_COUNT; k++) {
		if (!live[k].count)
			continue;
		fprintf(f, "%s%s %s in %.0f", separator, fmt_bytes(bytes, live[k].est_bytes),
			report_kind_name((enum report_kind)k), live[k].est_count);
		if (sites)
			fprintf(f, " at %zu site%s", sites[k], sites[k] == 1 ? "" : "s");
		separator = ", ";
	}
	if (!*separator)
		fputs("nothing outstanding", f);
}

#define CACHES_SHOWN 4

/* "592 filp + 592 sock_inode_cache" */
static void print_caches(FILE *f, const struct report_process *p)
{
	for (size_t i = 0; i < p->cache_count && i < CACHES_SHOWN; i++) {
		fprintf(f, "%s%.0f ", i ? " + " : "; ", p->caches[i].live.est_count);
		fmt_name(f, p->caches[i].cache, FMT_NAME_MAX);
	}
	if (p->cache_count > CACHES_SHOWN)
		fprintf(f, " + %zu more caches", p->cache_count - CACHES_SHOWN);
}

static bool holds_any(const struct report_process *p)
{
	for (int k = 0; k < KIND_COUNT; k++)
		if (p->live[k].count)
			return true;
	return false;
}

static void print_process(FILE *f, const struct report_process *p, const struct text_options *o)
{
	fprintf(f, "\tpid %" PRIu32 " ", p->pid);
	fmt_name(f, p->comm, FMT_NAME_MAX);
	if (*p->cmdline) {
		fputs(" (", f);
		fmt_name(f, p->cmdline, o->wide ? 0 : NARROW_NAME);
		putc(')', f);
	}
	fputs(": ", f);
	print_kinds(f, p->live, p->sites);
	print_caches(f, p);
	if (p->inherited.count)
		fprintf(f, "; blocks inherited from pid %" PRIu32 ": %" PRIu64 "%s",
			p->parent_pid, p->inherited.count,
			p->parent_present ? ", not counted" : "");
	putc('\n', f);
}

struct by_size {
	const struct report_process *process;
	double bytes;
};

static int compare_processes(const void *a, const void *b)
{
	const struct by_size *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return (x->process->pid > y->process->pid) - (x->process->pid < y->process->pid);
}

static void print_processes(FILE *f, const struct report *r, const struct text_options *o)
{
	size_t count = report_process_count(r), n = 0;
	struct by_size *list = malloc((count + 1) * sizeof(*list));

	for (size_t i = 0; list && i < count; i++) {
		const struct report_process *p = report_process(r, i);

		if (!p->has_session && !holds_any(p))
			continue;
		list[n] = (struct by_size){ .process = p };
		for (int k = 0; k < KIND_COUNT; k++)
			list[n].bytes += p->live[k].est_bytes;
		n++;
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), compare_processes);
	if (n)
		fprintf(f, "Processes:\n");
	for (size_t i = 0; i < n; i++)
		print_process(f, list[i].process, o);
	free(list);
}

static void print_extra(FILE *f, const char *what, const struct figure *figure, const char *of)
{
	if (!figure->count)
		return;
	fputs(what, f);
	print_amount(f, figure, of);
	putc('\n', f);
}

void text_print_hidden(FILE *f, const struct report *r, const struct text_options *o)
{
	struct figure sum = report_summary(r)->hidden;

	for (size_t i = shown_sites(r, o); i < report_site_count(r); i++)
		figure_add(&sum, &report_site(r, i)->live);
	print_extra(f, "Not shown here: ", &sum, "allocations at further stacks");
}

static void print_reserved(FILE *f, const struct report *r)
{
	char bytes[FMT_FIGURE];
	double sum = 0;

	for (size_t i = 0; i < report_session_count(r); i++)
		sum += (double)report_session(r, i)->reserved_space;
	if (sum > 0)
		fprintf(f, "Reserved addresses (PROT_NONE), not counted: %s\n", fmt_bytes(bytes, sum));
}

static void print_overhead(FILE *f, const struct report *r)
{
	char bytes[FMT_FIGURE], time[FMT_FIGURE];
	uint64_t self_bytes = 0, self_ns = 0;

	for (size_t i = 0; i < report_session_count(r); i++) {
		self_bytes += report_session(r, i)->self_bytes;
		self_ns += report_session(r, i)->self_ns;
	}
	if (!self_bytes && !self_ns)
		return;
	fputs("Recording took ", f);
	if (self_ns)
		fprintf(f, "%s of CPU time (estimate)", fmt_duration(time, self_ns));
	/* counted at the end of a recording: a killed one has no figure */
	if (self_bytes)
		fprintf(f, "%s%s of memory", self_ns ? " and " : "",
			fmt_bytes(bytes, (double)self_bytes));
	fputc('\n', f);
}

void text_print_totals(FILE *f, const struct report *r, const struct text_options *o)
{
	const struct report_summary *sum = report_summary(r);

	print_processes(f, r, o);
	fputs("Total outstanding: ", f);
	print_amount(f, &sum->all, "allocations");
	fprintf(f, " at %zu stack%s", sum->sites_live, sum->sites_live == 1 ? "" : "s");
	print_bound(f, &sum->all);
	if (sum->all.count) {
		fputs(": ", f);
		print_kinds(f, sum->live, NULL);
	}
	putc('\n', f);
	text_print_hidden(f, r, o);
	print_extra(f, sum->loss[LOSS_PHANTOMS] ? "Freed without an event, not counted: at least " :
		    "Freed without an event, not counted: ", &sum->freed_unseen, "objects");
	print_extra(f, "In the baseline, not counted: ", &sum->known, "allocations");
	print_extra(f, "Suppressed, not counted: ", &sum->suppressed, "allocations");
	print_reserved(f, r);
	print_overhead(f, r);
}

// SPDX-License-Identifier: MIT
/* text_losses.c - what a report lacks, in words; and the report at the end of a process. */
#include "report/text.h"

#include "common/fmt.h"
#include "report/losses.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void print_causes(FILE *f, const uint64_t loss[LOSS_MAX], bool understates)
{
	for (unsigned int cause = 0; cause < LOSS_MAX; cause++)
		if (loss[cause] && loss_text(cause)->understates == understates)
			fprintf(f, "\t%" PRIu64 " %s\n", loss[cause], loss_text(cause)->text);
}

static bool any_other(const uint64_t loss[LOSS_MAX])
{
	for (unsigned int cause = 0; cause < LOSS_MAX; cause++)
		if (loss[cause] && !loss_text(cause)->understates)
			return true;
	return false;
}

static void print_damage(FILE *f, const struct report_session *s)
{
	if (!s->damage.truncated && !s->damage.corrupt && !s->damage.bad_entries)
		return;
	fputs("\t", f);
	fmt_name(f, s->name, FMT_NAME_MAX);
	fputs(s->damage.truncated ? ": truncated, shows what is left" :
	      s->damage.corrupt ? ": damaged, some sections were left out" : ": damaged", f);
	if (s->damage.bad_entries)
		fprintf(f, "; %" PRIu64 " entries refer to nothing", s->damage.bad_entries);
	putc('\n', f);
}

static void print_sessions(FILE *f, const struct report *r)
{
	bool said = false;

	if (report_summary(r)->damaged) {
		fputs("Damaged sessions (figures may be too low):\n", f);
		for (size_t i = 0; i < report_session_count(r); i++)
			print_damage(f, report_session(r, i));
	}
	for (size_t i = 0; i < report_session_count(r); i++) {
		const struct report_session *s = report_session(r, i);
		const struct report_process *p = report_process(r, s->process);

		if (!(s->features & SESSION_F_FOREIGN_MALLOC))
			continue;
		if (!said)
			fputs("Programs with a malloc of their own, which libleak can't see into:\n",
			      f);
		said = true;
		fputs("\t", f);
		/* the file may be a temporary one */
		fmt_name(f, p->comm, FMT_NAME_MAX);
		fprintf(f, " pid %" PRIu32 "\n", p->pid);
	}
}

static const char *status_text(enum symbol_status status)
{
	switch (status) {
	case SYMBOLS_MISSING:
		return "is not there any more";
	case SYMBOLS_MISMATCH:
		return "is another build than the one recorded (its build-id differs)";
	case SYMBOLS_BROKEN:
		return "is no readable ELF file";
	default:
		return NULL;
	}
}

static void print_modules(FILE *f, const struct report *r)
{
	const struct symbolizer *sym = report_symbolizer(r);
	bool said = false;

	for (uint32_t id = 1; id <= symbolizer_module_count(sym); id++) {
		const struct symbol_module *m = symbolizer_module_info(sym, id);
		const char *why = status_text(m->status);

		if (!why || !m->locations)
			continue;
		if (!said)
			fputs("Modules without symbols (shown as module+offset):\n", f);
		said = true;
		fputs("\t", f);
		fmt_name(f, m->path, FMT_NAME_MAX);
		fprintf(f, " %s\n", why);
	}
}

/* ---- growth of slab caches that the events don't explain ---- */

#define CACHES_SHOWN 10

struct growth {
	const struct report_cache *cache;
	uint64_t grown, tracked;	/* objects */
};

static int compare_missing(const void *a, const void *b)
{
	const struct growth *x = a, *y = b;
	uint64_t missing_x = x->grown - x->tracked, missing_y = y->grown - y->tracked;

	if (missing_x != missing_y)
		return missing_x > missing_y ? -1 : 1;
	return strcmp(x->cache->name, y->cache->name);
}

static uint64_t rise(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

void text_print_coverage(FILE *f, const struct report *r)
{
	size_t count = report_cache_count(r), n = 0;
	struct growth *list = malloc((count + 1) * sizeof(*list));

	for (size_t i = 0; list && i < count; i++) {
		const struct session_cache *c = &report_cache(r, i)->counts;
		struct growth g = {
			report_cache(r, i), rise(c->active_start, c->active_end),
			rise(c->tracked_start, c->tracked_end),
		};

		if (g.grown > g.tracked)
			list[n++] = g;
	}
	if (n)
		qsort(list, n, sizeof(*list), compare_missing);
	if (n)
		fputs("Slab caches that grew by more than the events tell:\n", f);
	for (size_t i = 0; i < n && i < CACHES_SHOWN; i++) {
		fputs("\t", f);
		fmt_name(f, list[i].cache->name, FMT_NAME_MAX);
		fprintf(f, ": %" PRIu64 " of %" PRIu64 " objects tracked, coverage %.0f %%\n",
			list[i].tracked, list[i].grown,
			100.0 * (double)list[i].tracked / (double)list[i].grown);
	}
	free(list);
}

void text_print_losses(FILE *f, const struct report *r)
{
	const struct report_summary *sum = report_summary(r);

	if (sum->lossy) {
		fputs("Losses (more may be outstanding than shown):\n", f);
		print_causes(f, sum->loss, true);
	}
	if (any_other(sum->loss)) {
		fputs("Recording notes:\n", f);
		print_causes(f, sum->loss, false);
	}
	print_sessions(f, r);
	print_modules(f, r);
}

void text_print_exit(FILE *f, const struct report *r, const struct text_options *o)
{
	const struct report_session *s = report_session(r, 0);
	const struct report_process *p = s ? report_process(r, s->process) : NULL;
	const struct report_summary *sum = report_summary(r);

	if (p) {
		fprintf(f, "libleak: pid %" PRIu32 " ", p->pid);
		fmt_name(f, p->comm, FMT_NAME_MAX);
		fprintf(f, ": %.0f bytes outstanding in %.0f allocations",
			sum->all.est_bytes, sum->all.est_count);
		if (sum->sampled)
			fprintf(f, " (estimate, +-%.0f bytes)", figure_bound(sum->all.var_bytes));
		if (p->inherited.count)
			fprintf(f, "; %" PRIu64 " more inherited from pid %" PRIu32,
				p->inherited.count, p->parent_pid);
		putc('\n', f);
	}
	text_print_stacks(f, r, o);
	text_print_hidden(f, r, o);
	text_print_losses(f, r);
}

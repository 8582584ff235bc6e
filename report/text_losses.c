// SPDX-License-Identifier: MIT
/* text_losses.c - what a report lacks, in words; and the report at the end of a process. */
#include "report/text.h"

#include "common/fmt.h"
#include "report/losses.h"

#include <inttypes.h>

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

		if (!(s->features & SESSION_F_FOREIGN_MALLOC))
			continue;
		if (!said)
			fputs("Programs with a malloc of their own that libleak can't see into:\n", f);
		said = true;
		fputs("\t", f);
		fmt_name(f, s->name, FMT_NAME_MAX);
		putc('\n', f);
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
	text_print_losses(f, r);
}

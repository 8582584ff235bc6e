// SPDX-License-Identifier: MIT
/* leakreport.c - the command: prints one report over finished or growing sessions. */
#define _GNU_SOURCE 1
#include "report/leakreport_options.h"

#include "common/io.h"
#include "common/version.h"
#include "report/baseline.h"
#include "report/bus_guard.h"
#include "report/diff.h"
#include "report/progress.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Exit codes; see the man page. */
enum {
	EXIT_FOUND = 1,		/* a check that was asked for failed: diff, baseline */
	EXIT_USAGE = 2,
	EXIT_NOTHING = 3,	/* no report: no session could be read, or an output not written */
	EXIT_PARTIAL = 4,	/* a report, but some session was damaged or could not be read */
};

/* Stacks in the text report, unless asked for more. */
#define TEXT_TOP 10

static int fail(const char *what, int err)
{
	fprintf(stderr, PROGRAM ": %s%s%s\n", what, *what ? ": " : "", session_strerror(err));
	return EXIT_NOTHING;
}

/* ---- building ---- */

/* How many of the files are sessions; says what is wrong with the others. */
static size_t add_files(struct report *r, const char *const *files, size_t count)
{
	size_t added = 0;

	for (size_t i = 0; i < count; i++) {
		int err = report_add_file(r, files[i]);

		if (err)
			fail(files[i], err);
		else
			added++;
	}
	return added;
}

/* A report over the files, *added of which could be opened; NULL after having said why. */
static struct report *build(const struct command *c, struct symbolizer *sym,
			    const char *const *files, size_t count, size_t *added)
{
	struct progress progress = { 0 };
	struct report_options options = c->report;
	struct report *r;
	int err = 0;

	options.progress = progress_show;
	options.progress_arg = &progress;
	r = report_new(sym, &options);
	*added = r ? add_files(r, files, count) : 0;
	if (*added)
		err = report_build(r);
	progress_end(&progress);
	if (!r || err)
		fail("", r ? err : -ENOMEM);
	if (*added && !err)
		return r;
	report_free(r);
	return NULL;
}

/* ---- one report ---- */

static int load_baseline(const struct command *c, struct baseline **b)
{
	unsigned int line;
	int err = c->baseline && !c->update_baseline ? baseline_load(c->baseline, b, &line) : 0;

	if (err == -EINVAL)
		fprintf(stderr, PROGRAM ": %s:%u: no line of a baseline\n", c->baseline, line);
	else if (err && err != -ENOENT)
		fail(c->baseline, err);
	return err == -ENOENT ? 0 : err;
}

static int save_baseline(const struct command *c, const struct report *r)
{
	struct io_output *out;
	int err;

	if (outputs_is_session(c->baseline)) {
		fprintf(stderr, PROGRAM ": %s is a session, which a baseline must not replace\n",
			c->baseline);
		return -EEXIST;
	}
	err = io_output_open(c->baseline, &out);
	if (!err) {
		baseline_print(io_output_file(out), r);
		err = io_output_commit(out);
	}
	if (err)
		fail(c->baseline, err);
	return err;
}

static int print_report(const struct command *c, const struct report *r)
{
	if (!c->exit_report)
		return outputs_write(&c->outputs, r, &c->text, PROGRAM);
	text_print_exit(stdout, r, &c->text);
	return fflush(stdout) ? -errno : 0;
}

static int exit_code(const struct command *c, const struct report *r, bool checked, bool partial)
{
	const struct report_summary *sum = report_summary(r);

	if (c->error_exitcode && sum->all.count)
		return (int)c->error_exitcode;
	if (checked && sum->all.count)
		return EXIT_FOUND;
	return partial || sum->damaged ? EXIT_PARTIAL : EXIT_SUCCESS;
}

static int run_report(struct command *c, struct symbolizer *sym)
{
	struct baseline *known = NULL;
	struct report *r = NULL;
	size_t added;
	int err = load_baseline(c, &known), code = EXIT_NOTHING;
	bool writes = c->baseline && !known;

	if (!err) {
		c->report.baseline = known;
		if (writes)
			c->report.top = 0;	/* a baseline has all sites */
		r = build(c, sym, c->files, c->file_count, &added);
	}
	if (r && writes)
		err = save_baseline(c, r);
	if (r && !err && !print_report(c, r))
		code = exit_code(c, r, known, added < c->file_count);
	report_free(r);
	baseline_free(known);
	return code;
}

/* ---- two reports ---- */

static int print_diff(const struct command *c, const struct diff *d, size_t top)
{
	const struct output *o = &c->outputs.list[0];
	struct io_output *out;
	int err;

	if (c->outputs.count > 1 || (o->format != OUTPUT_TEXT && o->format != OUTPUT_JSON)) {
		fputs(PROGRAM ": diff writes text or JSON, one of them\n", stderr);
		return -EINVAL;
	}
	err = outputs_is_session(o->path) ? -EEXIST : io_output_open(o->path, &out);
	if (!err) {
		if (o->format == OUTPUT_JSON)
			diff_print_json(io_output_file(out), d, top);
		else
			diff_print_text(io_output_file(out), d, &c->text, top);
		err = io_output_commit(out);
	}
	if (err)
		fail(o->path, err);
	return err;
}

static int run_diff(struct command *c, struct symbolizer *sym)
{
	struct report *before, *after = NULL;
	struct diff *d = NULL;
	size_t added, top = c->report.top;
	int code = EXIT_NOTHING;

	c->report.top = 0;	/* of the differences: what is small in one report may not be so */

	before = build(c, sym, c->files, 1, &added);
	if (before)
		after = build(c, sym, c->files + 1, 1, &added);
	if (after)
		d = diff_new(before, after);
	if (d && !print_diff(c, d, top)) {
		bool damaged = report_summary(before)->damaged || report_summary(after)->damaged;

		code = c->fail_above_set && diff_growth(d) > (double)c->fail_above ? EXIT_FOUND :
		       damaged ? EXIT_PARTIAL : EXIT_SUCCESS;
	}
	diff_free(d);
	report_free(before);
	report_free(after);
	return code;
}

/* ---- the run ---- */

static void set_defaults(struct command *c)
{
	if (!c->outputs.count)
		outputs_add(&c->outputs, OUTPUT_TEXT, "-");
	c->text.top = c->top_set ? c->report.top : TEXT_TOP;
	c->report.inherited_apart = c->exit_report;
	c->text.details = !c->exit_report && !c->report.combined;
	c->text.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

static int run(struct command *c)
{
	struct symbolizer *sym;
	int code;

	if (c->help) {
		command_help();
		return EXIT_SUCCESS;
	}
	if (c->version) {
		puts(PROGRAM " " MEMLEAK_VERSION);
		return EXIT_SUCCESS;
	}
	set_defaults(c);
	sym = symbolizer_new(c->sysroot);
	if (!sym)
		return fail("", -ENOMEM);
	code = c->diff ? run_diff(c, sym) : run_report(c, sym);
	symbolizer_free(sym);
	return code;
}

int main(int argc, char **argv)
{
	struct command c = { 0 };
	int code = EXIT_USAGE;

	/* Files that are being written are dropped in order when a pipe breaks or a limit is met. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	bus_guard_install();
	if (!command_parse(&c, argc, argv))
		code = run(&c);
	command_free(&c);
	return code;
}

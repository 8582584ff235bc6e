// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/live_view_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/fmt.h"
#include "preload/growth.h"
#include "preload/threads_view.h"
#include "preload/trace_view.h"
#include "report/outputs.h"
#include "report/progress.h"
#include "report/report.h"
#include "report/text.h"

#define BUFFER_BYTES	(256u << 10)	/* reports up to this size come in one piece */
#define LAST_BATCHES 1000	/* of calls, of a ring that may still be written */
#define KEPT_MAX 1024		/* processes that have ended, in a served report */

int live_view_new(const struct settings *settings, const char *sysroot, struct live_view **out)
{
	static char buffer[BUFFER_BYTES];
	struct live_view *view = calloc(1, sizeof(*view));

	if (!view)
		return -ENOMEM;
	/* the program writes there, too: its lines are not to come in between */
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	view->symbolizer = symbolizer_new(sysroot);
	if (!view->symbolizer) {
		free(view);
		return -ENOMEM;
	}
	view->settings = settings;
	if (!outputs_claim_stdout(&settings->outputs))
		view->out = stdout;
	view->colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	*out = view;
	return 0;
}

void live_view_beside(struct live_view *view, struct beside *beside)
{
	view->beside = beside;
}

void live_view_free(struct live_view *view)
{
	if (!view)
		return;
	symbolizer_free(view->symbolizer);
	free(view);
}

/* Whoever reads standard output sees whole reports. Nobody reads it: no more text. */
static void flush(struct live_view *view)
{
	if (view->out && fflush(view->out))
		view->out = NULL;
}

static bool is_open(const struct followed *one)
{
	return one->session && !one->shown;
}

/* Is there an earlier session of the same process, before it executed another program? */
static bool is_next_image(const struct follow *follow, const struct followed *one)
{
	for (const struct followed *other = follow_first(follow); other != one; other = other->next)
		if (other->announced && other->pid == one->pid &&
		    other->start_ticks == one->start_ticks)
			return true;
	return false;
}

static void announce(struct live_view *view, const struct follow *follow, struct followed *one)
{
	const struct session_header *header = session_header(one->session);

	one->announced = true;
	one->pid = header->pid;
	one->start_ticks = header->start_ticks;
	view->announced++;
	if (view->out && !is_next_image(follow, one))
		fprintf(view->out, "Attaching to malloc and free in pid %u, Ctrl+C to quit.\n",
			one->pid);
}

void live_view_announce(struct live_view *view, struct follow *follow)
{
	for (struct followed *one = follow_first(follow); one; one = one->next)
		if (!one->announced && one->session)
			announce(view, follow, one);
	flush(view);
}

static int print_calls(struct live_view *view, struct followed *one)
{
	/* the ring is there once the first call is */
	if (!session_count(one->session, SECT_TRACE))
		session_refresh(one->session);
	return trace_view_print(one->session, &one->trace_next, view->out);
}

/* What a process has left behind, or, if it runs on, what there is by now. */
static void print_calls_left(struct live_view *view, struct followed *one)
{
	for (int i = 0; i < LAST_BATCHES && print_calls(view, one) == TRACE_VIEW_BATCH; i++)
		;
}

bool live_view_trace(struct live_view *view, struct follow *follow)
{
	bool more = false;

	if (!view->out)
		return false;
	for (struct followed *one = follow_first(follow); one; one = one->next)
		if (is_open(one) && print_calls(view, one) == TRACE_VIEW_BATCH)
			more = true;
	flush(view);
	return more && view->out;
}

bool live_over(const struct followed *one)
{
	const struct session_header *header = session_header(one->session);

	return one->state == FOLLOWED_ENDED && header->end_reason != SESSION_END_DETACH &&
	       header->end_reason != SESSION_END_FORKED;
}

void live_clock(char *text, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	if (!localtime_r(&now, &tm) || !strftime(text, size, "%H:%M:%S", &tm))
		*text = '\0';
}

static int make_report(const struct live_view *view, const struct followed *one,
		       unsigned int top, struct report **out)
{
	const struct settings *s = view->settings;
	struct progress progress = { 0 };
	const struct report_options options = {
		.progress = progress_show,
		.progress_arg = &progress,
		.older_set = true,
		.older_ns = live_over(one) ? 0 : s->older_ns,
		.top = top,
		.blocks = s->show_allocs,
		.combined = s->combined_only,
		/* the parent's block shows them */
		.inherited_apart = true,
	};
	struct report *report = report_new(view->symbolizer, &options);
	int rc = report ? report_add_session(report, one->session) : -ENOMEM;

	if (!rc)
		rc = report_build(report);
	progress_end(&progress);
	if (rc) {
		report_free(report);
		return rc;
	}
	*out = report;
	return 0;
}

/* "11:16:33", and which process where there are several. */
static void heading(const struct live_view *view, const struct followed *one, char *text,
		    size_t size)
{
	const struct session_header *header = session_header(one->session);
	char clock[16], comm[64];

	live_clock(clock, sizeof(clock));
	if (view->announced < 2) {
		snprintf(text, size, "%s", clock);
		return;
	}
	fmt_name_buf(comm, sizeof(comm), session_string(one->session, header->comm));
	snprintf(text, size, "%s pid %u (%s)%s", clock, header->pid, comm,
		 live_over(one) ? ", ended" : "");
}

static void print_block(struct live_view *view, const struct followed *one,
			const struct report *report)
{
	char text[128];
	const struct text_options options = {
		.show_allocs = view->settings->show_allocs,
		.wide = view->settings->wide,
		.colour = view->colour,
		.details = live_over(one),
		.time = text,
	};

	heading(view, one, text, sizeof(text));
	text_print_stacks(view->out, report, &options);
	text_print_losses(view->out, report);
}

/*
 * What a program held when it executed another one has gone with it and was no
 * leak; and of many processes that leave nothing only the first says so.
 */
static bool is_silent(const struct followed *one, const struct report *report, bool first)
{
	if (one->state != FOLLOWED_ENDED)
		return false;
	if (one->replaced)
		return true;
	return !first && !report_summary(report)->sites_live && !report_summary(report)->lossy;
}

/* As it is seen here; 0: it has ended. */
static pid_t running_pid(const struct followed *one)
{
	const struct session_header *header = session_header(one->session);

	if (live_over(one))
		return 0;
	if (header->watched_pid)
		return (pid_t)header->watched_pid;
	return one->outer_pid ? one->outer_pid : (pid_t)header->pid;
}

static void print_threads(struct live_view *view, const struct followed *one)
{
	struct report *report;
	int rc = make_report(view, one, 0, &report);

	if (!rc) {
		rc = threads_view_print(view->out, one->session, running_pid(one), report);
		report_free(report);
	}
	if (rc)
		fprintf(view->out, "no report of the threads: %s\n", session_strerror(rc));
}

static void print_process(struct live_view *view, const struct followed *one, bool first)
{
	struct report *report;
	int rc = make_report(view, one, view->settings->top, &report);

	if (rc) {
		fprintf(view->out, "pid %u: no report: %s\n", session_header(one->session)->pid,
			session_strerror(rc));
		return;
	}
	if (!is_silent(one, report, first)) {
		print_block(view, one, report);
		if (view->settings->all_threads)
			print_threads(view, one);
	}
	report_free(report);
}

/* Is a session wanted although it has been shown whole? Counts those that only the server wants. */
static bool is_kept(struct live_view *view)
{
	const struct settings *s = view->settings;

	if (s->outputs.count || view->beside)
		return true;
	if (!s->serve)
		return false;
	if (++view->kept == KEPT_MAX + 1)
		fprintf(stderr, "memleak: --serve: of the processes that have ended only the first %d "
			"stay in the report\n", KEPT_MAX);
	return view->kept <= KEPT_MAX;
}

/* A session that is complete has been shown a last time. */
static void retire(struct live_view *view, struct followed *one)
{
	one->shown = true;
	if (!is_kept(view))
		follow_done(one);
}

/* False: there was nothing to print. */
static bool print_all(struct live_view *view, struct follow *follow, bool only_ended)
{
	bool first = true;

	for (struct followed *one = follow_first(follow); one; one = one->next) {
		if (!is_open(one))
			continue;
		follow_refresh(one);
		if (one->state == FOLLOWED_ENDED)
			growth_keep(one);
		if (view->out && view->settings->trace)
			print_calls_left(view, one);
		if (view->out && (!only_ended || live_over(one)))
			print_process(view, one, first);
		first = false;
		flush(view);
		if (one->state == FOLLOWED_ENDED)
			retire(view, one);
	}
	return !first;
}

bool live_view_interval(struct live_view *view, struct follow *follow)
{
	bool printed = print_all(view, follow, false);

	if (view->beside)
		beside_refresh(view->beside);
	live_kernel_print(view);
	flush(view);
	return printed;
}

/* One report over all sessions that are open. */
static int make_combined(struct live_view *view, struct follow *follow, uint64_t older_ns,
			 struct report **out)
{
	const struct report_options options = {
		/* a kernel's session knows better what is too young to tell */
		.older_set = older_ns || !view->beside, .older_ns = older_ns,
		.blocks = view->settings->show_allocs,
	};
	struct report *report = report_new(view->symbolizer, &options);
	int rc = report ? 0 : -ENOMEM;

	for (struct followed *one = follow_first(follow); one && !rc; one = one->next)
		if (one->session)
			rc = report_add_session(report, one->session);
	if (!rc && live_kernel_part(view, follow))
		rc = report_add_session(report, live_kernel_part(view, follow));
	if (!rc)
		rc = report_build(report);
	if (rc) {
		report_free(report);
		return rc;
	}
	*out = report;
	return 0;
}

int live_view_combined(struct live_view *view, struct follow *follow, struct report **out)
{
	bool some = false;

	for (struct followed *one = follow_first(follow); one; one = one->next) {
		if (is_open(one))
			follow_refresh(one);
		some |= one->session != NULL;
	}
	return some ? make_combined(view, follow, view->settings->older_ns, out) : -ENOENT;
}

/* The end of a text with a kernel part: who holds what, on both sides. */
static void print_holders(const struct live_view *view, const struct report *report)
{
	const struct text_options options = {
		.wide = view->settings->wide, .colour = view->colour,
	};

	text_print_totals(view->out, report, &options);
}

/* What needs all processes in one report. */
static int final_combined(struct live_view *view, struct follow *follow, bool text)
{
	const struct settings *s = view->settings;
	const struct text_options options = { .show_allocs = s->show_allocs, .wide = s->wide };
	struct report *report;
	int rc = make_combined(view, follow, 0, &report);

	if (rc) {
		fprintf(stderr, "memleak: no report: %s\n", session_strerror(rc));
		return rc;
	}
	if (text && view->out)
		print_holders(view, report);
	flush(view);
	if (s->outputs.count)
		rc = outputs_write(&s->outputs, report, &options, "memleak");
	report_free(report);
	return rc;
}

int live_view_final(struct live_view *view, struct follow *follow, bool only_ended)
{
	bool kernel = view->beside && !only_ended;

	print_all(view, follow, only_ended);
	if (kernel)
		live_kernel_print_last(view, follow);
	return kernel || view->settings->outputs.count ? final_combined(view, follow, kernel) : 0;
}

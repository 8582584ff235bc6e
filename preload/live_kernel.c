// SPDX-License-Identifier: MIT
/* live_kernel.c - what memleak prints of what its processes hold in the kernel. */
#define _GNU_SOURCE 1
#include "preload/live_view_private.h"

#include <errno.h>
#include <stdio.h>

#include "report/text.h"

static int kernel_report(const struct live_view *view, struct session *session,
			 struct report **out)
{
	const struct settings *s = view->settings;
	const struct report_options options = {
		.older_set = true, .older_ns = s->older_ns, .top = s->top,
		.blocks = s->show_allocs,
	};
	struct report *report = report_new(view->symbolizer, &options);
	int rc = report ? report_add_session(report, session) : -ENOMEM;

	if (!rc)
		rc = report_build(report);
	if (rc)
		report_free(report);
	else
		*out = report;
	return rc;
}

/* What the processes hold in the kernel; nothing when that is nothing. */
static void print_kernel(const struct live_view *view, struct session *session, const char *when)
{
	const struct settings *s = view->settings;
	char clock[16], text[64];
	const struct text_options options = {
		.show_allocs = s->show_allocs, .wide = s->wide, .colour = view->colour,
		.time = text,
	};
	struct report *report;

	if (!view->out || !session || kernel_report(view, session, &report))
		return;
	live_clock(clock, sizeof(clock));
	snprintf(text, sizeof(text), "%s kernel%s", clock, when);
	if (report_summary(report)->sites_live || report_summary(report)->lossy) {
		text_print_stacks(view->out, report, &options);
		text_print_losses(view->out, report);
	}
	report_free(report);
}

/* What stays in the kernel although the processes are gone: a line. */
static void print_kernel_left(const struct live_view *view, struct session *session)
{
	struct report *report;
	const struct figure *all;
	char clock[16];

	if (!view->out || !session || kernel_report(view, session, &report))
		return;
	all = &report_summary(report)->all;
	live_clock(clock, sizeof(clock));
	fprintf(view->out, "[%s kernel, after the end] %.0f bytes in %.0f allocations are left\n",
		clock, all->est_bytes, all->est_count);
	report_free(report);
}

static bool all_over(const struct follow *follow)
{
	for (const struct followed *one = follow_first(follow); one; one = one->next)
		if (one->session && !live_over(one))
			return false;
	return true;
}

struct session *live_kernel_part(const struct live_view *view, const struct follow *follow)
{
	struct session *before = beside_session(view->beside), *after = beside_after(view->beside);

	if (!before || (after && !all_over(follow)))
		return after;
	return before;
}

void live_kernel_print_last(const struct live_view *view, const struct follow *follow)
{
	struct session *part = live_kernel_part(view, follow), *after = beside_after(view->beside);

	if (!all_over(follow)) {
		print_kernel(view, part, "");
	} else if (part == after) {
		print_kernel(view, after, ", after the end");
	} else {
		print_kernel(view, part, ", before the end");
		print_kernel_left(view, after);
	}
}

void live_kernel_print(const struct live_view *view)
{
	print_kernel(view, beside_session(view->beside), "");
}

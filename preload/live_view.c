// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/live_view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "preload/trace_view.h"
#include "report/json.h"
#include "report/report.h"
#include "report/text.h"

#define LAST_TRACE_BATCHES 2000	/* of a ring that is still being written */

struct live_view {
	const struct settings *settings;
	struct symbolizer *symbolizer;
	FILE *out;		/* NULL: no text is to be printed (any more) */
	size_t announced;	/* processes */
};

int live_view_new(const struct settings *settings, struct live_view **out)
{
	struct live_view *view = calloc(1, sizeof(*view));

	if (!view)
		return -ENOMEM;
	view->symbolizer = symbolizer_new(NULL);
	if (!view->symbolizer) {
		free(view);
		return -ENOMEM;
	}
	view->settings = settings;
	if (!settings->json || strcmp(settings->json, "-"))
		view->out = stdout;
	*out = view;
	return 0;
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

void live_view_announce(struct live_view *view, struct follow *follow)
{
	for (struct followed *one = follow_first(follow); one; one = one->next) {
		if (one->announced || !one->session)
			continue;
		one->announced = true;
		view->announced++;
		if (view->out)
			fprintf(view->out, "Attaching to malloc and free in pid %u, "
				"Ctrl+C to quit.\n", session_header(one->session)->pid);
	}
	flush(view);
}

static int print_calls(struct live_view *view, struct followed *one)
{
	/* the ring is there once the first call is */
	if (!session_count(one->session, SECT_TRACE))
		session_refresh(one->session);
	return trace_view_print(one->session, &one->trace_next, view->out);
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

static struct report *make_report(const struct live_view *view, bool all_ages)
{
	const struct settings *s = view->settings;
	const struct report_options options = {
		.older_set = true,
		.older_ns = all_ages ? 0 : s->older_ns,
		.top = s->top,
		.blocks = s->show_allocs,
		.combined = s->combined_only,
		/* the parent's own block shows them */
		.inherited_apart = true,
	};

	return report_new(view->symbolizer, &options);
}

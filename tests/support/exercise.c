// SPDX-License-Identifier: MIT
/* exercise.c - runs everything that reads sessions over one, whatever it holds. */
#include "tests/support/exercise.h"

#include "report/html_data.h"
#include "report/baseline.h"
#include "report/ci_formats.h"
#include "report/diff.h"
#include "report/folded.h"
#include "report/json.h"
#include "report/pprof.h"
#include "report/report.h"
#include "report/text.h"

#include <errno.h>
#include <stdio.h>

static void print_all(const struct report *r)
{
	const struct text_options text = {
		.show_allocs = true, .details = true, .colour = true, .time = "00:00:00",
	};
	const struct html_options html = { .realtime_ns = 1 };
	FILE *f = fopen("/dev/null", "w");

	if (!f)
		return;
	text_print_stacks(f, r, &text);
	text_print_totals(f, r, &text);
	text_print_exit(f, r, &text);
	json_print(f, r);
	html_data_write(f, r, &html);
	fclose(f);
}

static int build(const char *path, bool combined)
{
	const struct report_options options = { .blocks = !combined, .combined = combined };
	struct symbolizer *sym = symbolizer_new(NULL);
	struct report *r = sym ? report_new(sym, &options) : NULL;
	int err = r ? report_add_file(r, path) : -ENOMEM;

	if (!err)
		err = report_add_file(r, path);
	if (!err)
		err = report_build(r);
	if (!err)
		print_all(r);
	report_free(r);
	symbolizer_free(sym);
	return err;
}

int exercise_session(const char *path)
{
	int err = build(path, false);

	return err ? err : build(path, true);
}

// SPDX-License-Identifier: MIT
/* cmd_slabs.c - kagent slabs: the slab caches and their fill; needs no BPF. */
#include "kagent/cmd.h"

#include "common/options.h"
#include "kagent/slabs_growth.h"
#include "kagent/slabs_view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct slabs {
	struct slabs_view view;
	struct slabs_series series;
	const char *detail;
	uint64_t rows;
	bool watch, help;
};

enum { OPT_WATCH = 256, OPT_GROWTH, OPT_LOG, OPT_INTERVAL, OPT_DURATION };

static const struct option_def defs[] = {
	{ 'S', "sort", "FIELD",
	  "name, active, total, size, objects, pages, slabs, use, waste, frag or kb "
	  "(kb)",
	  0 },
	{ 'r', "rows", "N", "print the first N only", 0 },
	{ 'k', "kib", NULL, "waste in KiB instead of bytes", 0 },
	{ 'a', "compact", NULL, "few columns, and only caches that hold memory", 0 },
	{ 'n', "name", "CACHE",
	  "all that is known of this cache: aliases, flags, order, partial slabs", 0 },
	{ 's', "show", "CACHE", "the same", 0 },
	{ OPT_WATCH, "watch", "SECONDS", "full screen, refreshed (2); keys sort, q quits",
	  OPTION_ARG_OPTIONAL },
	{ OPT_GROWTH, "growth", NULL, "watch for a time and print what grew, and how fast", 0 },
	{ OPT_LOG, "log", "FILE", "write one CSV line per cache and interval", 0 },
	{ OPT_INTERVAL, "interval", "SECONDS", "between samples of --growth and --log (1)", 0 },
	{ OPT_DURATION, "duration", "SECONDS",
	  "end --growth or --log after this time (until Ctrl-C)", 0 },
	{ 'h', "help", NULL, "this text", 0 },
};

static const char *const usage[] = { "slabs [options] [CACHE]", NULL };

static const struct option_table options = {
	"kagent", usage,
	"Prints the kernel's slab caches: objects in use and in all, their size, use,\n"
	"waste and memory. CACHE is a name or a glob.",
	defs, sizeof(defs) / sizeof(*defs), NULL,
};

static int set_seconds(const char *option, const char *arg, uint64_t *ns)
{
	if (!option_seconds(arg, ns) && *ns >= 10000000)
		return 0;
	fail("%s wants seconds, 0.01 or more", option);
	return -EINVAL;
}

static int set_number(struct slabs *s, int id, const char *arg)
{
	switch (id) {
	case OPT_INTERVAL:
		return set_seconds("--interval", arg, &s->series.interval_ns);
	case OPT_DURATION:
		return set_seconds("--duration", arg, &s->series.duration_ns);
	case OPT_WATCH:
		s->watch = true;
		return arg ? set_seconds("--watch", arg, &s->series.interval_ns) : 0;
	case 'S':
		if (!slabs_sort_parse(arg, &s->view.sort))
			return 0;
		fail("--sort wants name, active, total, size, objects, pages, slabs, use, waste, "
		     "frag or kb");
		return -EINVAL;
	default:
		return take_number("--rows", arg, 1, 1000000, &s->rows);
	}
}

/* "--watch 5" as well as "--watch=5": no cache bears a number for a name. */
static int set_word(struct slabs *s, const char *arg)
{
	uint64_t ns;

	if (s->watch && !s->series.interval_ns && !option_seconds(arg, &ns))
		return set_seconds("--watch", arg, &s->series.interval_ns);
	if (s->view.pattern) {
		fail("slabs takes one cache or glob");
		return -EINVAL;
	}
	s->view.pattern = arg;
	return 0;
}

static int set(void *ctx, int id, const char *arg)
{
	struct slabs *s = ctx;

	switch (id) {
	case 'k':
		s->view.kib = true;
		return 0;
	case 'a':
		s->view.compact = true;
		return 0;
	case 'n':
	case 's':
		s->detail = arg;
		return 0;
	case OPT_GROWTH:
		s->series.growth = 1;
		return 0;
	case OPT_LOG:
		s->series.log = arg;
		return 0;
	case 'h':
		s->help = true;
		return 0;
	case OPTION_WORD:
		return set_word(s, arg);
	default:
		return set_number(s, id, arg);
	}
}

static int print(struct slabs *s, struct slab_table *t)
{
	if (s->detail) {
		if (slabs_print_detail(stdout, t, s->detail))
			return fail("no slab cache of this name: see kagent slabs");
		return 0;
	}
	if (s->view.pattern && !slabs_matching(t, &s->view))
		return fail("no slab cache matches: see kagent slabs");
	if (!s->view.pattern && !s->view.compact)
		slabs_print_summary(stdout, t);
	slabs_print_table(stdout, t, &s->view);
	return 0;
}

static int print_once(struct slabs *s)
{
	struct slab_table t;
	int err = slab_table_read("/proc/slabinfo", &t), status;

	if (err == -EACCES)
		return fail("/proc/slabinfo may only be read by root");
	if (err == -ENOENT)
		return fail("this kernel has no /proc/slabinfo: it needs CONFIG_SLUB_DEBUG=y");
	if (err)
		return fail("/proc/slabinfo: %s", err == -EINVAL ? "of a form that isn't known"
								 : strerror(-err));
	status = print(s, &t);
	slab_table_free(&t);
	return status;
}

int cmd_slabs(int argc, char **argv)
{
	struct slabs s = { .view = { .sort = SORT_KB }, .series = { .interval_ns = 0 } };

	if (take_options(&options, argc, argv, set, &s))
		return EXIT_USAGE;
	if (s.help) {
		options_help(&options, stdout);
		return 0;
	}
	s.view.rows = s.rows;
	s.series.rows = s.rows ? s.rows : 40;
	s.series.pattern = s.view.pattern;
	if (s.watch)
		return slabs_watch(&s.view,
				   s.series.interval_ns ? s.series.interval_ns : 2000000000ull);
	if (!s.series.interval_ns)
		s.series.interval_ns = 1000000000ull;
	return s.series.growth || s.series.log ? slabs_series_run(&s.series) : print_once(&s);
}

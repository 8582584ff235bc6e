// SPDX-License-Identifier: MIT
/* leakreport_options.c - what the command line of leakreport asks for. */
#define _GNU_SOURCE 1
#include "report/leakreport_options.h"

#include "common/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPT_JSON = 256, OPT_TEXT, OPT_FOLDED, OPT_PPROF, OPT_MIN_SIZE, OPT_MAX_SIZE, OPT_PID,
	OPT_EXIT_REPORT, OPT_WIDE,
	OPT_DOMAIN, OPT_MODULE, OPT_INCLUDE, OPT_EXCLUDE, OPT_SUPPRESSIONS, OPT_SYSROOT,
	OPT_ERROR_EXITCODE, OPT_VERSION, OPT_HTML,
	OPT_JUNIT, OPT_SARIF, OPT_BASELINE, OPT_UPDATE_BASELINE, OPT_FAIL_ABOVE,
	OPT_SORT,
};

static const struct option_def defs[] = {
	{ OPT_TEXT, "text", "FILE", "write the text report to FILE (- or nothing: standard "
	  "output); the default when no format is asked for", OPTION_ARG_OPTIONAL |
	  OPTION_NEXT_WORD },
	{ OPT_JSON, "json", "FILE", "write JSON to FILE (- or nothing: standard output)",
	  OPTION_ARG_OPTIONAL | OPTION_NEXT_WORD },
	{ OPT_HTML, "html", "FILE", "write one HTML page, which needs no network, to FILE", 0 },
	{ OPT_FOLDED, "folded", "FILE", "write folded stacks to FILE, for flame graphs", 0 },
	{ OPT_PPROF, "pprof", "FILE", "write a profile to FILE, for go tool pprof", 0 },
	{ OPT_JUNIT, "junit", "FILE", "write what is outstanding as failed JUnit tests to FILE",
	  0 },
	{ OPT_SARIF, "sarif", "FILE", "write what is outstanding as SARIF 2.1.0 to FILE", 0 },
	{ 'a', "show-allocs", NULL, "show the address and size of each block", 0 },
	{ 'o', "older", "TIME", "only blocks at least this old: 500 (ms), 5s, 2m, 1h; the default "
	  "is what the recording was set to", 0 },
	{ 'z', "min-size", "BYTES", "only blocks of at least this size", 0 },
	{ 'Z', "max-size", "BYTES", "only blocks of at most this size", 0 },
	{ 'T', "top", "N", "only the N stacks that hold most (default: 10 in text, else "
	  "all; 0: all)", 0 },
	{ OPT_SORT, "sort", "KEY", "what comes first: bytes, count, age (of the oldest block), "
	  "growth (needs a timeline) or suspicion (bytes older than what is usual there)", 0 },
	{ 'p', "pid", "PID", "only this process", 0 },
	{ OPT_DOMAIN, "domain", "user|kernel", "only memory of processes, or of the kernel", 0 },
	{ OPT_MODULE, "module", "NAME", "only stacks with a frame in this module", 0 },
	{ OPT_INCLUDE, "include", "REGEX", "only stacks with a function, file or module that "
	  "matches (several: one of them)", 0 },
	{ OPT_EXCLUDE, "exclude", "REGEX", "no stacks with a function, file or module that matches",
	  0 },
	{ OPT_SUPPRESSIONS, "suppressions", "FILE", "leave out what FILE lists, in the syntax of "
	  "LeakSanitizer (leak:pattern)", 0 },
	{ 'C', "combined-only", NULL, "figures from the totals of each stack, without single "
	  "blocks: no ages, no filters on blocks", 0 },
	{ OPT_WIDE, "wide", NULL, "whole names and paths", 0 },
	{ OPT_SYSROOT, "sysroot", "DIR", "look for modules in DIR, not in /", 0 },
	{ OPT_ERROR_EXITCODE, "error-exitcode", "N", "exit with N when anything is outstanding",
	  0 },
	{ OPT_BASELINE, "baseline", "FILE", "leave out the sites in FILE and exit with 1 when "
	  "others hold memory; without FILE yet, write it", 0 },
	{ OPT_UPDATE_BASELINE, "update-baseline", NULL, "write the baseline anew", 0 },
	{ OPT_FAIL_ABOVE, "fail-above", "BYTES", "diff: exit with 1 when stacks grew by more than "
	  "this in sum", 0 },
	{ OPT_EXIT_REPORT, "exit-report", NULL, NULL, 0 },
	{ 'h', "help", NULL, "show this help", 0 },
	{ OPT_VERSION, "version", NULL, "show the version", 0 },
};

static const char *const usage[] = { "[options] FILE...", "diff [options] OLD NEW", NULL };

static const struct option_table table = {
	.program = PROGRAM, .usage = usage,
	.intro = "Prints what is outstanding in sessions that libleak.so, memleak and kagent\n"
		 "recorded, finished or still growing, as one report.",
	.defs = defs, .count = sizeof(defs) / sizeof(*defs),
	.outro = "Examples:\n"
		 "  leakreport app.leak\n"
		 "  leakreport -o 1m -T 5 worker.*.leak kernel.leak\n"
		 "  leakreport app.leak --json report.json --text -\n"
		 "  leakreport diff before.leak after.leak --fail-above 64k\n",
};

static int usage_error(const char *option, const char *arg, const char *why)
{
	fprintf(stderr, PROGRAM ": --%s %s: %s\n", option, arg, why);
	return -EINVAL;
}

/* "500" and "500ms", "5s", "2m", "1h" to nanoseconds. */
static int parse_time(const char *arg, uint64_t *ns)
{
	static const struct { const char *unit; double ns; } units[] = {
		{ "", 1e6 }, { "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 },
		{ "d", 86400e9 },
	};
	char *end;
	double value = strtod(arg, &end);

	if (end == arg || !(value >= 0))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(end, units[i].unit))
			continue;
		value *= units[i].ns;
		if (value >= 1.8e19)
			return -ERANGE;
		*ns = (uint64_t)value;
		return 0;
	}
	return -EINVAL;
}

static int add_regex(struct regex_list **list, const char *option, const char *pattern)
{
	char *why = NULL;
	int err;

	if (!*list)
		*list = regex_list_new();
	err = *list ? regex_list_add(*list, pattern, &why) : -ENOMEM;
	if (err == -EINVAL)
		usage_error(option, pattern, why);
	free(why);
	return err;
}

static int load_suppressions(struct command *c, const char *path)
{
	unsigned int line;
	int err;

	if (c->suppressions)
		return usage_error("suppressions", path, "given twice");
	err = suppressions_load(path, &c->suppressions, &line);
	if (err == -EINVAL)
		fprintf(stderr, PROGRAM ": %s:%u: expected \"leak:pattern\" or a comment\n", path,
			line);
	else if (err)
		fprintf(stderr, PROGRAM ": %s: %s\n", path, strerror(-err));
	return err;
}

static int add_file(struct command *c, const char *path)
{
	const char **files = reallocarray(c->files, c->file_count + 1, sizeof(*files));

	if (!files)
		return -ENOMEM;
	c->files = files;
	files[c->file_count++] = path;
	return 0;
}

/* "--json app.leak": the word behind the option is a session, not where to write. */
static int add_output(struct command *c, enum output_format format, const char *arg)
{
	bool optional = format == OUTPUT_TEXT || format == OUTPUT_JSON;
	bool session = optional && arg && strcmp(arg, "-") && outputs_is_session(arg);
	const char *path = arg && !session ? arg : "-";
	int err = outputs_add(&c->outputs, format, path);

	if (err) {
		fprintf(stderr, PROGRAM ": %s: %s\n", path, err == -EEXIST ?
			"two formats for one output" : "too many outputs");
		return -EINVAL;
	}
	return session ? add_file(c, arg) : 0;
}

static int set_domain(struct command *c, const char *arg)
{
	if (!strcmp(arg, "user"))
		c->report.domain = DOMAIN_USER;
	else if (!strcmp(arg, "kernel"))
		c->report.domain = DOMAIN_KERNEL;
	else
		return usage_error("domain", arg, "expected user or kernel");
	return 0;
}

static int set_sort(struct command *c, const char *arg)
{
	static const char *const keys[] = {
		[SORT_BYTES] = "bytes", [SORT_COUNT] = "count", [SORT_AGE] = "age",
		[SORT_GROWTH] = "growth", [SORT_SUSPICION] = "suspicion",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		if (strcmp(arg, keys[i]))
			continue;
		c->report.sort = (enum report_sort)i;
		return 0;
	}
	return usage_error("sort", arg, "expected bytes, count, age, growth or suspicion");
}

static int set_number(const char *option, const char *arg, uint64_t max, uint64_t *value)
{
	return option_number(arg, 0, max, value) ? usage_error(option, arg, "no such number") : 0;
}

static int set_filter(struct command *c, int id, const char *arg)
{
	struct report_options *o = &c->report;
	uint64_t n = 0;
	int err = 0;

	switch (id) {
	case 'o':
		o->older_set = true;
		return parse_time(arg, &o->older_ns) ? usage_error("older", arg, "no time") : 0;
	case 'z':
	case OPT_MIN_SIZE:
		return option_size(arg, &o->min_size) ? usage_error("min-size", arg, "no size") : 0;
	case 'Z':
	case OPT_MAX_SIZE:
		return option_size(arg, &o->max_size) ? usage_error("max-size", arg, "no size") : 0;
	case 'T':
		err = set_number("top", arg, SIZE_MAX, &n);
		o->top = (size_t)n;
		c->top_set = true;
		return err;
	case 'p':
		err = set_number("pid", arg, INT32_MAX, &n);
		o->pid = (uint32_t)n;
		return err;
	case OPT_SORT:
		return set_sort(c, arg);
	case OPT_DOMAIN:
		return set_domain(c, arg);
	case OPT_MODULE:
		o->module = arg;
		return 0;
	case OPT_INCLUDE:
		return add_regex(&c->include, "include", arg);
	case OPT_EXCLUDE:
		return add_regex(&c->exclude, "exclude", arg);
	default:
		return load_suppressions(c, arg);
	}
}

static int set_option(void *ctx, int id, const char *arg)
{
	struct command *c = ctx;

	switch (id) {
	case OPTION_WORD:
		return add_file(c, arg);
	case OPT_TEXT:
		return add_output(c, OUTPUT_TEXT, arg);
	case OPT_JSON:
		return add_output(c, OUTPUT_JSON, arg);
	case OPT_HTML:
		return add_output(c, OUTPUT_HTML, arg);
	case OPT_FOLDED:
		return add_output(c, OUTPUT_FOLDED, arg);
	case OPT_PPROF:
		return add_output(c, OUTPUT_PPROF, arg);
	case OPT_JUNIT:
		return add_output(c, OUTPUT_JUNIT, arg);
	case OPT_SARIF:
		return add_output(c, OUTPUT_SARIF, arg);
	case 'a':
		c->text.show_allocs = c->report.blocks = true;
		return 0;
	case 'C':
		c->report.combined = true;
		return 0;
	case OPT_WIDE:
		c->text.wide = true;
		return 0;
	case OPT_SYSROOT:
		c->sysroot = arg;
		return 0;
	case OPT_ERROR_EXITCODE:
		return set_number("error-exitcode", arg, 255, &c->error_exitcode);
	case OPT_BASELINE:
		c->baseline = arg;
		return 0;
	case OPT_UPDATE_BASELINE:
		c->update_baseline = true;
		return 0;
	case OPT_FAIL_ABOVE:
		c->fail_above_set = true;
		return option_size(arg, &c->fail_above) ?
			usage_error("fail-above", arg, "no size") : 0;
	case OPT_EXIT_REPORT:
		c->exit_report = true;
		return 0;
	case 'h':
		c->help = true;
		return 0;
	case OPT_VERSION:
		c->version = true;
		return 0;
	default:
		return set_filter(c, id, arg);
	}
}

/* ---- the whole line ---- */

static int check(const struct command *c)
{
	if (c->help || c->version)
		return 0;
	if (c->diff && c->file_count != 2) {
		fputs(PROGRAM ": diff compares two sessions: " PROGRAM " diff OLD NEW\n", stderr);
		return -EINVAL;
	}
	if (!c->file_count) {
		fputs(PROGRAM ": which session? Try " PROGRAM " FILE..., or --help\n", stderr);
		return -EINVAL;
	}
	if (c->diff && (c->baseline || c->error_exitcode)) {
		fputs(PROGRAM ": --baseline and --error-exitcode are not for diff, which has "
		      "--fail-above\n", stderr);
		return -EINVAL;
	}
	if (!c->diff && c->fail_above_set) {
		fputs(PROGRAM ": --fail-above is for diff\n", stderr);
		return -EINVAL;
	}
	if (c->update_baseline && !c->baseline) {
		fputs(PROGRAM ": --update-baseline needs --baseline FILE\n", stderr);
		return -EINVAL;
	}
	return 0;
}

int command_parse(struct command *c, int argc, char **argv)
{
	int rest = argc, err;

	c->diff = argc > 1 && !strcmp(argv[1], "diff");
	if (c->diff) {
		argv[1] = argv[0];
		argv++;
		argc--;
		rest--;
	}
	err = options_parse(&table, argc, argv, set_option, c, &rest);
	for (int i = rest; i < argc && !err; i++)
		err = add_file(c, argv[i]);
	c->report.include = c->include;
	c->report.exclude = c->exclude;
	c->report.suppressions = c->suppressions;
	return err ? err : check(c);
}

void command_free(struct command *c)
{
	regex_list_free(c->include);
	regex_list_free(c->exclude);
	suppressions_free(c->suppressions);
	free(c->files);
}

void command_help(void)
{
	options_help(&table, stdout);
}

// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fmt.h"
#include "common/options.h"
#include "common/version.h"
#include "preload/processes.h"
#include "preload/words.h"

enum { STATUS_USAGE = 2 };
enum {
	OPT_SAMPLE = 256, OPT_DEPTH, OPT_OUTPUT, OPT_HTML, OPT_JSON, OPT_FOLDED, OPT_PPROF,
	OPT_NO_FOLLOW, OPT_WIDE, OPT_SERVE, OPT_SERVE_TOKEN, OPT_COMM, OPT_ATTACH_TIMEOUT,
	OPT_MAX_OVERHEAD, OPT_KERNEL, OPT_ENGINE, OPT_ALL_THREADS,
	OPT_VERSION,
};

#define LIBLEAK_DEPTH_MAX	256
#define BYTES_MAX		(1ull << 40)

static const struct option_def defs[] = {
	{ 'c', "command", "COMMAND", "run COMMAND, quoted as in a shell, and trace it and its "
	  "children", 0 },
	{ 'p', "pid", "PID", "trace the running process PID; may be repeated", 0 },
	{ OPT_COMM, "comm", "NAME", "trace the running processes of that name; may be repeated", 0 },
	{ OPT_ATTACH_TIMEOUT, "attach-timeout", "S", "give up attaching when no thread of the process "
	  "was at a safe place for S seconds (default 10)", 0 },
	{ OPT_KERNEL, "kernel", NULL, "with -c or -p: what they hold in the kernel, too, by kagent (for "
	  "root)", 0 },
	{ 't', "trace", NULL, "print each call as it happens, with pid, address and size", 0 },
	{ 'a', "show-allocs", NULL, "show addresses and sizes as well as call stacks", 0 },
	{ 'i', "interval", "S", "seconds between reports (default 5)", 0 },
	{ 'o', "older", "MS", "in interval reports, leave out what is younger than MS milliseconds "
	  "(default 500)", 0 },
	{ 's', "sample-rate", "N", "record one in N allocations, chosen at random", 0 },
	{ OPT_SAMPLE, "sample", "BYTES", "record an allocation every BYTES bytes on the average "
	  "(512k)", 0 },
	{ OPT_MAX_OVERHEAD, "max-overhead", "PERCENT", "sample, ever more rarely, until recording costs at "
	  "most PERCENT of the program's CPU time", 0 },
	{ 'T', "top", "N", "show the N stacks with the most bytes (default 10, 0: all)", 0 },
	{ 'z', "min-size", "SIZE", "record only allocations of at least SIZE bytes", 0 },
	{ 'Z', "max-size", "SIZE", "record only allocations of at most SIZE bytes", 0 },
	{ 'C', "combined-only", NULL, "show sums per stack, without regard to age", 0 },
	{ 'F', "wa-missing-free", NULL, "taken for bcc's sake: always on, an address that is allocated "
	  "again was freed", 0 },
	{ OPT_ENGINE, "engine", "ENGINE", "shim: libleak.so; uprobe: probes of the kernel (for root; "
	  "microseconds a call); auto: uprobe where the shim cannot be loaded (default)", 0 },
	{ 'O', "obj", "OBJECT", "with uprobes: the file whose malloc and free are traced, by path or "
	  "name (default: the one that the program calls)", 0 },
	{ OPT_DEPTH, "depth", "N", "frames kept of each stack, 1 to 256 (default 64)", 0 },
	{ OPT_OUTPUT, "output", "FILE", "keep the sessions in FILE; %p: pid, %n: program", 0 },
	{ OPT_HTML, "html", "FILE", "write the last report as a page to FILE", 0 },
	{ OPT_JSON, "json", "FILE", "write the last report as JSON to FILE; without FILE to "
	  "standard output, in place of text", OPTION_ARG_OPTIONAL | OPTION_NEXT_WORD },
	{ OPT_FOLDED, "folded", "FILE", "write it as folded stacks, for flame graphs", 0 },
	{ OPT_PPROF, "pprof", "FILE", "write it as a profile, for go tool pprof", 0 },
	{ OPT_SERVE, "serve", "HOST:PORT", "serve the report meanwhile on http://HOST:PORT/, with "
	  "/report.json, /metrics and /debug/pprof/heap", 0 },
	{ OPT_SERVE_TOKEN, "serve-token", "TOKEN", "answer only requests with TOKEN (@FILE: its "
	  "first line); needed unless HOST is this machine's own", 0 },
	{ OPT_ALL_THREADS, "all-threads-report", NULL, "end each report with what every thread does "
	  "and holds", 0 },
	{ OPT_WIDE, "wide", NULL, "print whole names and paths", 0 },
	{ OPT_NO_FOLLOW, "no-follow", NULL, "do not trace the program's children", 0 },
	{ 'h', "help", NULL, "print this and exit", 0 },
	{ OPT_VERSION, "version", NULL, "print the version and exit", 0 },
};

static const char *const usage[] = {
	"[options] -c COMMAND [interval] [count]",
	"[options] [interval] [count] -- PROGRAM [argument]...",
	"[options] -p PID [interval] [count]",
	"[options] [interval] [count]      (the kernel's allocations)",
	NULL
};

static const struct option_table table = {
	.program = "memleak",
	.usage = usage,
	.intro = "Prints memory that was allocated and not yet freed, with its call stacks, every\n"
		 "interval seconds, count times, and when the program has ended.",
	.defs = defs,
	.count = sizeof(defs) / sizeof(*defs),
	.outro = "Examples:\n"
		 "  memleak -c ./allocs              run ./allocs, report every 5 seconds\n"
		 "  memleak -a -T 3 -c './allocs 9' 1   three stacks and their blocks every second\n"
		 "  memleak --sample 512k -- ./server --port 80   at next to no cost\n"
		 "\n"
		 "The exit status is the program's, or 128 + the signal that killed it.",
};

static int bad_value(const char *option, const char *value, const char *wants)
{
	char text[256];

	fprintf(stderr, "memleak: %s: '%s' is not %s\n", option,
		fmt_name_buf(text, sizeof(text), value), wants);
	return -EINVAL;
}

static int set_number(const char *option, const char *text, uint64_t min, uint64_t max,
		      const char *wants, uint64_t *value)
{
	return option_number(text, min, max, value) ? bad_value(option, text, wants) : 0;
}

static int set_uint(const char *option, const char *text, uint64_t min, uint64_t max,
		    const char *wants, unsigned int *value)
{
	uint64_t number;
	int rc = set_number(option, text, min, max, wants, &number);

	if (!rc)
		*value = (unsigned int)number;
	return rc;
}

static int set_bytes(const char *option, const char *text, uint64_t min, uint64_t *value)
{
	uint64_t bytes;

	if (option_size(text, &bytes) || bytes < min || bytes > BYTES_MAX)
		return bad_value(option, text, "a size in bytes, like 64, 4k or 1M");
	*value = bytes;
	return 0;
}

static int set_interval(struct settings *s, const char *text)
{
	uint64_t ns;

	if (option_seconds(text, &ns) || ns < 1000000)
		return bad_value("interval", text, "a number of seconds (put -- before a program)");
	s->interval_ns = ns;
	s->interval_given = true;
	return 0;
}

static int set_attach_timeout(struct settings *s, const char *text)
{
	uint64_t ns;

	if (option_seconds(text, &ns) || ns < 1000000 || ns / 1000000 > INT_MAX)
		return bad_value("--attach-timeout", text, "a number of seconds");
	s->attach_timeout_ms = (int)(ns / 1000000);
	return 0;
}

/* All processes of a name that run now. */
static int add_comm(struct settings *s, const char *name)
{
	pid_t *found = NULL, *pids;
	size_t count = 0;
	int rc = processes_named(name, &found, &count);

	if (rc == -ESRCH)
		return bad_value("--comm", name, "the name of a running process");
	pids = rc ? NULL : realloc(s->pids, (s->pid_count + count) * sizeof(*pids));
	if (pids) {
		memcpy(pids + s->pid_count, found, count * sizeof(*pids));
		s->pids = pids;
		s->pid_count += count;
	}
	free(found);
	return pids ? 0 : rc ? rc : -ENOMEM;
}

static int add_pid(struct settings *s, const char *text)
{
	pid_t *pids = realloc(s->pids, (s->pid_count + 1) * sizeof(*pids));
	uint64_t pid;

	if (!pids)
		return -ENOMEM;
	s->pids = pids;
	if (set_number("-p", text, 1, INT_MAX, "a process id", &pid))
		return -EINVAL;
	pids[s->pid_count++] = (pid_t)pid;
	return 0;
}

static int split_command(struct settings *s, const char *text)
{
	int rc;

	free(s->words);
	s->words = NULL;
	rc = words_split(text, &s->words);
	if (rc == -EINVAL)
		return bad_value("-c", text, "a command: a quote is not closed");
	if (!rc && !s->words[0])
		return bad_value("-c", text, "a command: it is empty");
	s->argv = s->words;
	return rc;
}

static int set_older(struct settings *s, const char *text)
{
	uint64_t ms;
	int rc = set_number("-o", text, 0, UINT64_MAX / 1000000, "an age in milliseconds", &ms);

	if (!rc)
		s->older_ns = ms * 1000000;
	return rc;
}

/* interval, then count */
static int set_word(struct settings *s, const char *word, unsigned int *words_seen)
{
	if (++*words_seen == 1)
		return set_interval(s, word);
	if (*words_seen == 2)
		return set_number("count", word, 1, UINT64_MAX, "a number of reports", &s->count);
	return bad_value("arguments", word, "expected behind interval and count");
}

static int add_output(struct settings *s, int id, const char *path)
{
	static const enum output_format formats[] = {
		[OPT_HTML - OPT_HTML] = OUTPUT_HTML, [OPT_JSON - OPT_HTML] = OUTPUT_JSON,
		[OPT_FOLDED - OPT_HTML] = OUTPUT_FOLDED, [OPT_PPROF - OPT_HTML] = OUTPUT_PPROF,
	};
	int rc = outputs_add(&s->outputs, formats[id - OPT_HTML], path ? path : "-");

	return rc ? bad_value("report", path ? path : "-", "a file for one report only") : 0;
}

struct parsing {
	struct settings *s;
	unsigned int words_seen;
	bool help, version;
};

static int set_engine(struct settings *s, const char *text)
{
	static const char *const names[] = {
		[ENGINE_AUTO] = "auto", [ENGINE_SHIM] = "shim", [ENGINE_UPROBE] = "uprobe",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(text, names[i])) {
			s->engine = (enum settings_engine)i;
			return 0;
		}
	}
	return bad_value("--engine", text, "auto, shim or uprobe");
}

static int set_recording(struct settings *s, int id, const char *arg)
{
	switch (id) {
	case OPT_ENGINE:
		return set_engine(s, arg);
	case 's':
		return set_number("-s", arg, 1, UINT32_MAX, "a number above 0", &s->sample_rate);
	case OPT_SAMPLE:
		return set_bytes("--sample", arg, 1, &s->sample_bytes);
	case OPT_MAX_OVERHEAD:
		return set_uint("--max-overhead", arg, 1, 1000, "a percentage from 1 to 1000",
				&s->max_overhead);
	case 'z':
		return set_bytes("-z", arg, 0, &s->min_size);
	case 'Z':
		return set_bytes("-Z", arg, 1, &s->max_size);
	case OPT_DEPTH:
		return set_uint("--depth", arg, 1, LIBLEAK_DEPTH_MAX, "from 1 to 256", &s->depth);
	case OPT_OUTPUT:
		s->output = arg;
		return *arg ? 0 : bad_value("--output", arg, "a path");
	case OPT_NO_FOLLOW:
		s->no_follow = true;
		return 0;
	}
	return -EINVAL;
}

/* What is shown, and where. */
static int set_view(struct settings *s, int id, const char *arg)
{
	switch (id) {
	case 't':
		s->trace = true;
		return 0;
	case 'a':
		s->show_allocs = true;
		return 0;
	case 'i':
		return set_interval(s, arg);
	case 'o':
		return set_older(s, arg);
	case 'T':
		return set_uint("-T", arg, 0, UINT_MAX, "a number of stacks", &s->top);
	case 'C':
		s->combined_only = true;
		return 0;
	case OPT_HTML:
	case OPT_JSON:
	case OPT_FOLDED:
	case OPT_PPROF:
		return add_output(s, id, arg);
	case OPT_SERVE:
		s->serve = arg;
		return 0;
	case OPT_SERVE_TOKEN:
		s->serve_token = arg;
		return 0;
	case OPT_WIDE:
		s->wide = true;
		return 0;
	case OPT_ALL_THREADS:
		s->all_threads = true;
		return 0;
	}
	return set_recording(s, id, arg);
}

static int set_option(void *ctx, int id, const char *arg)
{
	struct parsing *p = ctx;
	struct settings *s = p->s;

	switch (id) {
	case OPTION_WORD:
		return set_word(s, arg, &p->words_seen);
	case 'c':
		return split_command(s, arg);
	case 'p':
		return add_pid(s, arg);
	case OPT_COMM:
		return add_comm(s, arg);
	case OPT_ATTACH_TIMEOUT:
		return set_attach_timeout(s, arg);
	case 'F':
		return 0;
	case 'O':
		s->object = arg;
		return 0;
	case OPT_KERNEL:
		s->kernel = true;
		return 0;
	case 'h':
		p->help = true;
		return 0;
	case OPT_VERSION:
		p->version = true;
		return 0;
	}
	return set_view(s, id, arg);
}

static int conflict(const char *what)
{
	fprintf(stderr, "memleak: %s\nTry 'memleak --help'.\n", what);
	return STATUS_USAGE;
}

static int check(struct settings *s, int argc, char **argv, int rest)
{
	if (rest < argc && s->words)
		return conflict("a program behind -- and -c exclude each other");
	if (rest < argc)
		s->argv = argv + rest;
	if (s->argv && s->pid_count)
		return conflict("a program to run and -p exclude each other");
	if (s->max_size && s->min_size > s->max_size)
		return conflict("-z is larger than -Z: nothing would be recorded");
	if (s->sample_rate && s->sample_bytes)
		return conflict("-s and --sample exclude each other");
	if (s->combined_only && s->show_allocs)
		return conflict("-C prints sums only: it excludes -a");
	if (s->serve_token && !s->serve)
		return conflict("--serve-token is for --serve HOST:PORT");
	if (s->trace && outputs_claim_stdout(&s->outputs))
		return conflict("-t prints to standard output: give the report a file");
	if (s->kernel && !s->argv && !s->pid_count)
		return conflict("--kernel is for -c or -p: without them only the kernel is traced");
	s->action = s->argv ? SETTINGS_RUN : s->pid_count ? SETTINGS_ATTACH : SETTINGS_KERNEL;
	return 0;
}

/* Without any of these the command line is kagent's, with options that are unknown here. */
static bool is_for_kagent(int argc, char **argv)
{
	static const int ours[] = { 'c', 'p', OPT_COMM, OPT_KERNEL, 'h', OPT_VERSION, 0 };

	return !options_given(&table, argc, argv, ours);
}

int settings_parse(struct settings *s, int argc, char **argv)
{
	struct parsing parsing = { .s = s };
	int rest, rc;

	*s = (struct settings){
		.interval_ns = 5000000000, .older_ns = 500000000, .top = 10,
	};
	if (is_for_kagent(argc, argv)) {
		s->action = SETTINGS_KERNEL;
		return 0;
	}
	rc = options_parse(&table, argc, argv, set_option, &parsing, &rest);
	if (rc == -ENOMEM)
		return conflict(strerror(ENOMEM));
	if (rc)
		return STATUS_USAGE;
	if (parsing.help || parsing.version)
		s->action = SETTINGS_EXIT;
	if (parsing.help)
		options_help(&table, stdout);
	else if (parsing.version)
		printf("memleak %s\n", MEMLEAK_VERSION);
	return s->action == SETTINGS_EXIT ? 0 : check(s, argc, argv, rest);
}

void settings_free(struct settings *s)
{
	free(s->pids);
	free(s->words);
}

char *settings_recording(const struct settings *s, const char *pattern)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	/* not older=: ages are regarded when a report is made, so that sessions hold all */
	fprintf(out, "output=%s,report=none,follow=%d,trace=%d", pattern, !s->no_follow, s->trace);
	if (s->sample_rate)
		fprintf(out, ",sample=1/%" PRIu64, s->sample_rate);
	else if (s->sample_bytes)
		fprintf(out, ",sample=%" PRIu64, s->sample_bytes);
	if (s->max_overhead)
		fprintf(out, ",max-overhead=%u", s->max_overhead);
	if (s->min_size)
		fprintf(out, ",min=%" PRIu64, s->min_size);
	if (s->max_size)
		fprintf(out, ",max=%" PRIu64, s->max_size);
	if (s->depth)
		fprintf(out, ",depth=%u", s->depth);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

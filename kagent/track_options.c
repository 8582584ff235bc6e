// SPDX-License-Identifier: MIT
/* track_options.c - the command line of kagent without a subcommand. */
#include "kagent/track.h"

#include "common/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	OPT_SAMPLE = 256,
	OPT_COMM,
	OPT_CGROUP,
	OPT_BY,
	OPT_DURATION,
	OPT_MAX_OBJECTS,
	OPT_USER_STACKS,
	OPT_PAGES,
	OPT_PERCPU,
	OPT_OUTPUT,
	OPT_DEPTH,
	OPT_CACHE,
	OPT_SERVE,
	OPT_SERVE_TOKEN,
	OPT_CHILDREN,
	OPT_HTML,
	OPT_JSON,
	OPT_FOLDED,
	OPT_PPROF,
	OPT_WIDE
};

static const struct option_def defs[] = {
	{ OPT_CACHE, "cache", "NAME",
	  "only objects of this slab cache; * and ? match many, kmalloc-4096 "
	  "means its whole size class; may be given again",
	  0 },
	{ 'o', "older", "MS", "only objects at least this old, in milliseconds (500)", 0 },
	{ 'T', "top", "N", "print the N largest (10, 0: all)", 0 },
	{ 'a', "show-allocs", NULL, "print each object: address, size, age, pid and command", 0 },
	{ 't', "trace", NULL, "print each allocation and free as it happens", 0 },
	{ 's', "sample-rate", "N", "record every Nth object, chosen by its address", 0 },
	{ OPT_SAMPLE, "sample", "1/N", "the same", 0 },
	{ 'z', "min-size", "BYTES", "only objects of at least this size", 0 },
	{ 'Z', "max-size", "BYTES", "only objects of at most this size", 0 },
	{ 'p', "pid", "PID", "only what this process allocates; may be given again", 0 },
	{ OPT_CHILDREN, "children", NULL, "with -p: and the processes that it forks from now on",
	  0 },
	{ OPT_COMM, "comm", "NAME", "only what tasks of this name allocate", 0 },
	{ OPT_CGROUP, "cgroup", "PATH",
	  "only what tasks in this cgroup (version 2) and below allocate", 0 },
	{ OPT_BY, "by", "WHAT", "add up by stack, process, cache or cgroup (stack)", 0 },
	{ OPT_DURATION, "duration", "SECONDS", "end after this time", 0 },
	{ OPT_MAX_OBJECTS, "max-objects", "N",
	  "room for N live objects, about 170 bytes each (1000000)", 0 },
	{ OPT_DEPTH, "depth", "N", "frames per stack, 1 to 127 (64)", 0 },
	{ OPT_USER_STACKS, "user-stacks", NULL, "record the stack in user space too", 0 },
	{ OPT_PAGES, "pages", NULL, "follow the page allocator too", 0 },
	{ OPT_PERCPU, "percpu", NULL, "follow the per-CPU allocator too", 0 },
	{ OPT_OUTPUT, "output", "FILE", "keep the session in FILE, for leakreport", 0 },
	{ 'q', "quiet", NULL, "print no reports, only that it has begun", 0 },
	{ OPT_HTML, "html", "FILE", "write the last report as a page to FILE", 0 },
	{ OPT_JSON, "json", "FILE",
	  "write the last report as JSON to FILE; without FILE to "
	  "standard output, in place of text",
	  OPTION_ARG_OPTIONAL | OPTION_NEXT_WORD },
	{ OPT_FOLDED, "folded", "FILE", "write it as folded stacks, for flame graphs", 0 },
	{ OPT_PPROF, "pprof", "FILE", "write it as a profile, for go tool pprof", 0 },
	{ OPT_SERVE, "serve", "HOST:PORT",
	  "serve the report on http://HOST:PORT/ meanwhile, with "
	  "/report.json, /metrics and /debug/pprof/heap",
	  0 },
	{ OPT_SERVE_TOKEN, "serve-token", "TOKEN",
	  "answer only requests with TOKEN (@FILE: its first "
	  "line); needed unless HOST is this machine's own",
	  0 },
	{ OPT_WIDE, "wide", NULL, "print whole names and paths", 0 },
	{ 'i', "interval", "SECONDS", "the same as the first word", 0 },
	{ 'C', "combined-only", NULL,
	  "taken for memleak's sake: sums are all that is printed without -a", 0 },
	{ 'F', "wa-missing-free", NULL,
	  "taken for memleak's sake: always on, an address that is allocated again was freed", 0 },
	{ 'O', "obj", "OBJECT", "taken for memleak's sake: there is one kernel", 0 },
	{ 'h', "help", NULL, "this text", 0 },
};

static const char *const usage[] = {
	"[options] [interval] [count]",
	"top [options] [interval] [count]",
	"procs --cache NAME [options]",
	"slabs [options] [CACHE]",
	"import kmemleak|allocinfo|slub-traces [options]",
	"uprobe [options] -p PID [interval] [count]",
	NULL
};

static const struct option_table options = {
	"kagent", usage,
	"Prints the kernel's outstanding slab objects by the stack that allocated them,\n"
	"every interval (5) seconds until Ctrl-C. Objects that were freed where no event\n"
	"tells of it are recognized in their slabs and left out. Each subcommand has a\n"
	"--help of its own.",
	defs, sizeof(defs) / sizeof(*defs),
	"Examples:\n"
	"  kagent --cache kmalloc-4096           who holds 4 KiB objects, and since when\n"
	"  kagent -o 60000 -T 3 10 1             what has lived for a minute, once, in 10 s\n"
	"  kagent --by process --cache filp      open files by process\n"
	"  kagent --output k.leak --duration 60  record a minute for leakreport\n",
};

void track_help(void)
{
	options_help(&options, stdout);
}

static int set_by(struct track *t, const char *arg)
{
	static const char *const names[] = { "stack", "process", "cache", "cgroup" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(arg, names[i])) {
			t->by = i;
			return 0;
		}
	}
	fail("--by wants stack, process, cache or cgroup");
	return -EINVAL;
}

static int set_sample(struct track *t, const char *arg)
{
	if (strncmp(arg, "1/", 2)) {
		fail("--sample wants 1/N: one of N objects");
		return -EINVAL;
	}
	return take_number("--sample 1/N", arg + 2, 1, 1000000, &t->sample);
}

static int set_interval(struct track *t, const char *arg)
{
	struct interval_words only = { .given = 0 };

	if (take_interval_word(&only, arg))
		return -EINVAL;
	t->words.interval_ns = only.interval_ns;
	return 0;
}

static int set_size(const char *option, const char *arg, uint64_t *size)
{
	if (!option_size(arg, size))
		return 0;
	fail("%s wants a size in bytes, such as 4096 or 64k", option);
	return -EINVAL;
}

static int set_duration(struct track *t, const char *arg)
{
	if (!option_seconds(arg, &t->duration_ns) && t->duration_ns)
		return 0;
	fail("--duration wants seconds");
	return -EINVAL;
}

static int add_pattern(struct track *t, const char *arg)
{
	if (t->pattern_count == TRACK_PATTERNS) {
		fail("at most %d --cache options", TRACK_PATTERNS);
		return -EINVAL;
	}
	t->patterns[t->pattern_count++] = arg;
	return 0;
}

static int add_pid(struct track *t, const char *arg)
{
	uint64_t pid;

	if (t->pid_count == TRACK_PIDS) {
		fail("at most %d --pid options", TRACK_PIDS);
		return -EINVAL;
	}
	if (take_number("--pid", arg, 1, INT32_MAX, &pid))
		return -EINVAL;
	t->pids[t->pid_count++] = (uint32_t)pid;
	return 0;
}

static int set_flag(struct track *t, int id)
{
	switch (id) {
	case 'a':
		t->show_allocs = true;
		break;
	case 't':
		t->trace = true;
		break;
	case 'q':
		t->quiet = true;
		break;
	case OPT_CHILDREN:
		t->children = true;
		break;
	case OPT_USER_STACKS:
		t->user_stacks = true;
		break;
	case OPT_PAGES:
		t->pages = true;
		break;
	case OPT_PERCPU:
		t->percpu = true;
		break;
	case OPT_WIDE:
		t->wide = true;
		break;
	case 'C':
	case 'F':
		break;
	default:
		t->help = true;
	}
	return 0;
}

static int add_output(struct track *t, int id, const char *path)
{
	static const enum output_format formats[] = {
		[OPT_HTML - OPT_HTML] = OUTPUT_HTML, [OPT_JSON - OPT_HTML] = OUTPUT_JSON,
		[OPT_FOLDED - OPT_HTML] = OUTPUT_FOLDED, [OPT_PPROF - OPT_HTML] = OUTPUT_PPROF,
	};

	if (!outputs_add(&t->outputs, formats[id - OPT_HTML], path ? path : "-"))
		return 0;
	fail("two reports for one file");
	return -EINVAL;
}

static int set_text(struct track *t, int id, const char *arg)
{
	switch (id) {
	case OPT_COMM:
		t->comm = arg;
		return 0;
	case OPT_CGROUP:
		t->cgroup = arg;
		return 0;
	case OPT_OUTPUT:
		t->output = arg;
		return 0;
	case OPT_SERVE:
		t->serve = arg;
		return 0;
	case OPT_SERVE_TOKEN:
		t->serve_token = arg;
		return 0;
	case OPT_BY:
		return set_by(t, arg);
	case 'O':
		return 0;
	default:
		return add_pattern(t, arg);
	}
}

static int set(void *ctx, int id, const char *arg)
{
	struct track *t = ctx;

	if (id == OPTION_WORD)
		return take_interval_word(&t->words, arg);
	switch (id) {
	case 'i':
		return set_interval(t, arg);
	case OPT_HTML:
	case OPT_JSON:
	case OPT_FOLDED:
	case OPT_PPROF:
		return add_output(t, id, arg);
	case 'o':
		return take_number("--older", arg, 0, UINT32_MAX * 1000ull, &t->older_ms);
	case 'T':
		return take_number("--top", arg, 0, UINT32_MAX, &t->top);
	case 's':
		return take_number("--sample-rate", arg, 1, 1000000, &t->sample);
	case 'p':
		return add_pid(t, arg);
	case 'z':
		return set_size("--min-size", arg, &t->min_size);
	case 'Z':
		return set_size("--max-size", arg, &t->max_size);
	case OPT_SAMPLE:
		return set_sample(t, arg);
	case OPT_DURATION:
		return set_duration(t, arg);
	case OPT_MAX_OBJECTS:
		return take_number("--max-objects", arg, 1, 100000000, &t->max_objects);
	case OPT_DEPTH:
		return take_number("--depth", arg, 1, KA_MAX_DEPTH, &t->depth);
	}
	return arg ? set_text(t, id, arg) : set_flag(t, id);
}

int track_parse(struct track *t, int argc, char **argv)
{
	*t = (struct track) { .words = { .interval_ns = 5000000000ull }, .older_ms = 500, .top = 10,
			      .max_objects = 1000000, .depth = 64 };
	if (take_options(&options, argc, argv, set, t))
		return -EINVAL;
	if (t->children && !t->pid_count) {
		fail("--children is for --pid PID");
		return -EINVAL;
	}
	if (t->trace && outputs_claim_stdout(&t->outputs)) {
		fail("-t prints to standard output: give the report a file");
		return -EINVAL;
	}
	t->quiet |= outputs_claim_stdout(&t->outputs);
	if (t->serve_token && !t->serve) {
		fail("--serve-token is for --serve HOST:PORT");
		return -EINVAL;
	}
	return 0;
}

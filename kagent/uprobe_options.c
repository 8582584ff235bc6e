// SPDX-License-Identifier: MIT
/* uprobe_options.c - the command line of kagent uprobe. */
#include "kagent/uprobe_options.h"

#include "common/options.h"
#include "kagent/uprobe_events.h"

#include <errno.h>
#include <stdio.h>

#define SAMPLE_BYTES_MAX (1ull << 40)

enum {
	OPT_OUTPUT = 256, OPT_DEPTH, OPT_MAX_OBJECTS, OPT_DURATION, OPT_WIDE, OPT_SAMPLE, OPT_MAX_OVERHEAD,
	/* for memleak */
	OPT_CONTROL, OPT_AWAIT_EXEC, OPT_CHILDREN, OPT_TRACE,
};

static const struct option_def defs[] = {
	{ 'p', "pid", "PID", "the process", 0 },
	{ 'O', "obj", "OBJECT",
	  "the program or library whose allocator is probed: a path, or the name of something "
	  "that the process has mapped, such as libjemalloc.so.2 or c for libc.so.6", 0 },
	{ 'o', "older", "MS", "only blocks at least this old, in milliseconds (500)", 0 },
	{ 'T', "top", "N", "print the N largest (10, 0: all)", 0 },
	{ 'a', "show-allocs", NULL, "print each block: address and size", 0 },
	{ 's', "sample-rate", "N", "record one in N allocations, chosen at random", 0 },
	{ OPT_SAMPLE, "sample", "BYTES", "record one allocation per so many bytes on average", 0 },
	{ OPT_MAX_OVERHEAD, "max-overhead", "PERCENT", NULL, 0 },
	{ 'z', "min-size", "BYTES", "record only blocks of at least this size", 0 },
	{ 'Z', "max-size", "BYTES", "record only blocks of at most this size", 0 },
	{ OPT_DEPTH, "depth", "N", "frames per stack, 1 to 127 (64)", 0 },
	{ OPT_MAX_OBJECTS, "max-objects", "N", "room for N live blocks (2000000)", 0 },
	{ OPT_DURATION, "duration", "SECONDS", "end after this time", 0 },
	{ OPT_OUTPUT, "output", "FILE", "keep the session in FILE, for leakreport", 0 },
	{ OPT_WIDE, "wide", NULL, "print whole names and paths", 0 },
	{ OPT_CONTROL, "control", NULL, NULL, 0 },
	{ OPT_AWAIT_EXEC, "await-exec", "PROGRAM", NULL, 0 },
	{ OPT_CHILDREN, "children", "PATTERN", NULL, 0 },
	{ OPT_TRACE, "trace", NULL, NULL, 0 },
	{ 'h', "help", NULL, "this text", 0 },
};

static const char *const usage[] = { "[options] -p PID [interval] [count]", NULL };

static const struct option_table options = {
	"kagent uprobe", usage,
	"Prints what one process has allocated and not freed, by stack, every interval (5)\n"
	"seconds: through uprobes on malloc, free and their like, for programs that\n"
	"libleak.so can't be loaded into. A call costs microseconds; memleak uses this for\n"
	"--engine=uprobe.",
	defs, sizeof(defs) / sizeof(*defs),
	"Examples:\n"
	"  kagent uprobe -p 1234                 a static program\n"
	"  kagent uprobe -p 1234 -O libjemalloc.so.2 --output p.leak 10 1\n",
};

void uprobe_options_help(void)
{
	options_help(&options, stdout);
}

static int set_size(const char *option, const char *arg, uint64_t *size)
{
	if (!option_size(arg, size))
		return 0;
	fail("%s wants a size in bytes, such as 4096 or 64k", option);
	return -EINVAL;
}

static int set_sample(struct uprobe_options *o, const char *arg)
{
	if (!option_size(arg, &o->sample_bytes) && o->sample_bytes &&
	    o->sample_bytes <= SAMPLE_BYTES_MAX)
		return 0;
	fail("--sample wants a size in bytes, such as 64k or 512k, up to 1024G");
	return -EINVAL;
}

static int set_duration(struct uprobe_options *o, const char *arg)
{
	if (!option_seconds(arg, &o->duration_ns) && o->duration_ns)
		return 0;
	fail("--duration wants seconds");
	return -EINVAL;
}

static int set_other(struct uprobe_options *o, int id, const char *arg)
{
	switch (id) {
	case 'O':
		o->object = arg;
		break;
	case 'a':
		o->show_allocs = true;
		break;
	case OPT_OUTPUT:
		o->output = arg;
		break;
	case OPT_WIDE:
		o->wide = true;
		break;
	case OPT_CONTROL:
		o->control = true;
		break;
	case OPT_AWAIT_EXEC:
		o->program = arg;
		break;
	case OPT_CHILDREN:
		o->children = arg;
		break;
	case OPT_TRACE:
		o->trace = true;
		break;
	default:
		o->help = true;
	}
	return 0;
}

static int set(void *ctx, int id, const char *arg)
{
	struct uprobe_options *o = ctx;

	switch (id) {
	case OPTION_WORD:
		return take_interval_word(&o->words, arg);
	case 'p':
		return take_number("--pid", arg, 1, INT32_MAX, &o->pid);
	case 'o':
		return take_number("--older", arg, 0, UINT32_MAX * 1000ull, &o->older_ms);
	case 'T':
		return take_number("--top", arg, 0, UINT32_MAX, &o->top);
	case 's':
		return take_number("--sample-rate", arg, 1, UINT32_MAX, &o->sample);
	case OPT_MAX_OVERHEAD:
		return take_number("--max-overhead", arg, 1, 1000, &o->max_overhead);
	case OPT_SAMPLE:
		return set_sample(o, arg);
	case 'z':
		return set_size("--min-size", arg, &o->min_size);
	case 'Z':
		return set_size("--max-size", arg, &o->max_size);
	case OPT_DEPTH:
		return take_number("--depth", arg, 1, KU_MAX_DEPTH, &o->depth);
	case OPT_MAX_OBJECTS:
		return take_number("--max-objects", arg, 1, 100000000, &o->max_objects);
	case OPT_DURATION:
		return set_duration(o, arg);
	}
	return set_other(o, id, arg);
}

int uprobe_options_parse(struct uprobe_options *o, int argc, char **argv)
{
	int rest;

	*o = (struct uprobe_options){ .words = { .interval_ns = 5000000000ull }, .older_ms = 500,
				      .top = 10, .depth = 64, .max_objects = 2000000 };
	if (options_parse(&options, argc, argv, set, o, &rest))
		return -EINVAL;
	if (o->program)
		o->argv = argv + rest;
	for (; !o->program && rest < argc; rest++)
		if (take_interval_word(&o->words, argv[rest]))
			return -EINVAL;
	if (o->sample > 1 && o->sample_bytes) {
		fail("-s and --sample exclude each other");
		return -EINVAL;
	}
	if (o->help || o->pid)
		return 0;
	fail("uprobe wants -p PID");
	return -EINVAL;
}

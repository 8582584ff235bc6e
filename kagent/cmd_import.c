// SPDX-License-Identifier: MIT
/* cmd_import.c - kagent import: the kernel's own debug facilities into a session. */
#include "kagent/cmd.h"

#include "common/io.h"
#include "common/options.h"
#include "kagent/import.h"
#include "kagent/slabinfo.h"
#include "report/json.h"
#include "report/report.h"
#include "report/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define TEXT_MAX	(512u << 20)
#define USUAL_HZ	250

struct wishes {
	const char *what, *from, *output, *cache;
	uint64_t hz, top, object_size;
	bool json, help;
};

enum { OPT_FROM = 256, OPT_OUTPUT, OPT_CACHE, OPT_HZ, OPT_JSON, OPT_SIZE };

static const struct option_def defs[] = {
	{ OPT_FROM, "from", "FILE", "read this file instead of the running kernel's", 0 },
	{ OPT_OUTPUT, "output", "FILE", "keep the session in FILE, for leakreport", 0 },
	{ OPT_CACHE, "cache", "NAME", "slub-traces: the slab cache", 0 },
	{ OPT_SIZE, "object-size", "BYTES", "slub-traces: size of its objects (as sysfs says)", 0 },
	{ OPT_HZ, "hz", "N", "slub-traces: jiffies per second (as the kernel's configuration says)",
	  0 },
	{ 'T', "top", "N", "print the N largest (10)", 0 },
	{ OPT_JSON, "json", NULL, "print the report as JSON", 0 },
	{ 'h', "help", NULL, "this text", 0 },
};

static const char *const usage[] = {
	"import kmemleak [options]", "import allocinfo [options]",
	"import slub-traces --cache NAME [options]", NULL
};

static const struct option_table options = {
	"kagent", usage,
	"Turns what the kernel's debug facilities know into a session, and prints its\n"
	"report.",
	defs, sizeof(defs) / sizeof(*defs), NULL,
};

/* A facility: where it is, and how it is had. */
static const struct source {
	const char *name, *path, *tail, *how; /* slub-traces: the cache between path and tail */
} sources[] = {
	{ "kmemleak", "/sys/kernel/debug/kmemleak", "",
	  "it needs a kernel built with CONFIG_DEBUG_KMEMLEAK=y, booted with kmemleak=on, and "
	  "debugfs "
	  "mounted (mount -t debugfs none /sys/kernel/debug)" },
	{ "allocinfo", "/proc/allocinfo", "",
	  "it needs Linux 6.10 built with CONFIG_MEM_ALLOC_PROFILING=y, and "
	  "sysctl vm.mem_profiling=1 or that on the boot command line" },
	{ "slub-traces", "/sys/kernel/debug/slab/", "/alloc_traces",
	  "it needs a kernel built with CONFIG_SLUB_DEBUG=y, booted with slub_debug=U,CACHE "
	  "(slab_debug "
	  "since 6.9), and debugfs mounted (mount -t debugfs none /sys/kernel/debug)" },
};

static int set(void *ctx, int id, const char *arg)
{
	struct wishes *w = ctx;

	switch (id) {
	case OPT_FROM:
		w->from = arg;
		return 0;
	case OPT_OUTPUT:
		w->output = arg;
		return 0;
	case OPT_CACHE:
		w->cache = arg;
		return 0;
	case OPT_JSON:
		w->json = true;
		return 0;
	case OPT_HZ:
		return take_number("--hz", arg, 1, 10000, &w->hz);
	case OPT_SIZE:
		return take_number("--object-size", arg, 1, 1u << 30, &w->object_size);
	case 'T':
		return take_number("--top", arg, 1, UINT32_MAX, &w->top);
	case 'h':
		w->help = true;
		return 0;
	default:
		if (w->what) {
			fail("import takes one word: kmemleak, allocinfo or slub-traces");
			return -EINVAL;
		}
		w->what = arg;
		return 0;
	}
}

static const struct source *find_source(const char *name)
{
	for (size_t i = 0; name && i < sizeof(sources) / sizeof(*sources); i++)
		if (!strcmp(sources[i].name, name))
			return &sources[i];
	return NULL;
}

/* CONFIG_HZ of the running kernel, from the configuration that distributions install. */
static unsigned kernel_hz(void)
{
	struct utsname u;
	char path[256], *text, *at;
	size_t len;
	unsigned hz = USUAL_HZ;

	uname(&u);
	snprintf(path, sizeof(path), "/boot/config-%.200s", u.release);
	if (io_read_file(path, 16u << 20, &text, &len))
		return hz;
	at = strstr(text, "\nCONFIG_HZ=");
	if (at)
		hz = strtoul(at + 11, NULL, 10);
	free(text);
	return hz ? hz : USUAL_HZ;
}

static int object_size(const struct wishes *w, uint32_t *size)
{
	struct slab_detail d;
	int err;

	*size = w->object_size;
	if (w->object_size)
		return 0;
	err = slab_detail_read("/sys/kernel/slab", w->cache, &d);
	if (err || d.object_size <= 0)
		return fail("the size of an object of this cache isn't known: give --object-size");
	*size = d.object_size;
	return 0;
}

static int read_text(const struct wishes *w, const struct source *s, char **text)
{
	const char *path = w->from;
	char own[512];
	size_t len;
	int err;

	if (!path) {
		snprintf(own, sizeof(own), "%s%s%s", s->path, *s->tail ? w->cache : "", s->tail);
		path = own;
	}
	err = io_read_file(path, TEXT_MAX, text, &len);
	if (err == -ENOENT && !w->from)
		return fail("this kernel has no %s (%s): %s", s->name, path, s->how);
	if (err == -EBUSY || err == -ENXIO || (err == -EINVAL && !w->from))
		return fail("%s is there but switched off: %s", path, s->how);
	return err ? fail("%s: %s", path, strerror(-err)) : 0;
}

static int parse(const struct wishes *w, struct import *im, char *text, uint32_t size)
{
	if (!strcmp(w->what, "kmemleak"))
		return import_kmemleak(im, text);
	if (!strcmp(w->what, "allocinfo"))
		return import_allocinfo(im, text);
	return import_slub_traces(im, text, w->cache, size, w->hz ? w->hz : kernel_hz());
}

static int print(const char *path, const struct wishes *w)
{
	struct report_options o = { .older_set = true, .top = w->top };
	struct symbolizer *sym = symbolizer_new(NULL);
	struct report *r = sym ? report_new(sym, &o) : NULL;
	int err = r ? report_add_file(r, path) : -ENOMEM;
	const struct text_options text = { .details = true };

	if (!err)
		err = report_build(r);
	if (!err && w->json) {
		err = json_print(stdout, r);
	} else if (!err) {
		text_print_stacks(stdout, r, &text);
		text_print_totals(stdout, r, &text);
	}
	report_free(r);
	symbolizer_free(sym);
	return err ? fail("the report can't be made: %s", strerror(-err)) : 0;
}

static int import_to(const struct wishes *w, const char *path, char *text, uint32_t size)
{
	struct import *im;
	int err = import_new(path, &im);

	if (err)
		return fail("%s: %s", path, strerror(-err));
	err = parse(w, im, text, size);
	if (err) {
		import_abort(im);
		return err == -EINVAL ? fail("this isn't the form of %s", w->what)
				      : fail("%s", strerror(-err));
	}
	err = import_finish(im);
	return err ? fail("%s: %s", path, strerror(-err)) : print(path, w);
}

static int run(const struct wishes *w, const struct source *source)
{
	char dir[] = "/tmp/kagent-XXXXXX", path[64] = "", *text;
	uint32_t size = 0;
	int status;

	if (!strcmp(source->name, "slub-traces")) {
		if (!w->cache)
			return fail("slub-traces wants --cache NAME");
		status = object_size(w, &size);
		if (status)
			return status;
	}
	status = read_text(w, source, &text);
	if (status)
		return status;
	if (!w->output) {
		if (!mkdtemp(dir)) {
			free(text);
			return fail("no directory for temporary files: %s", strerror(errno));
		}
		snprintf(path, sizeof(path), "%s/import.leak", dir);
	}
	status = import_to(w, w->output ? w->output : path, text, size);
	if (!w->output) {
		unlink(path);
		rmdir(dir);
	}
	free(text);
	return status;
}

int cmd_import(int argc, char **argv)
{
	struct wishes w = { .top = 10 };
	const struct source *source;

	if (take_options(&options, argc, argv, set, &w))
		return EXIT_USAGE;
	if (w.help) {
		options_help(&options, stdout);
		return 0;
	}
	source = find_source(w.what);
	if (!source) {
		fail("import wants one of kmemleak, allocinfo, slub-traces");
		return EXIT_USAGE;
	}
	return run(&w, source);
}

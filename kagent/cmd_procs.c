// SPDX-License-Identifier: MIT
/* cmd_procs.c - kagent procs: who allocates from a cache, and by which stacks. */
#include "kagent/cmd.h"

#include "common/fmt.h"
#include "common/options.h"
#include "kagent/capture.h"
#include "kagent/stop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATTERNS	64
#define LOOK_NS		500000000ull

struct procs {
	const char *patterns[PATTERNS];
	size_t pattern_count;
	uint64_t duration_ns, top;
	bool help;
};

struct row {
	struct ka_proc_key key;
	struct ka_proc n;
};

struct table {
	struct row *rows;
	size_t count;
};

enum { OPT_CACHE = 256, OPT_DURATION };

static const struct option_def defs[] = {
	{ OPT_CACHE, "cache", "NAME", "the slab cache (* and ? match many); may be given again",
	  0 },
	{ OPT_DURATION, "duration", "SECONDS", "how long to count (10)", 0 },
	{ 'T', "top", "N", "print the N most active of each (20)", 0 },
	{ 'h', "help", NULL, "this text", 0 },
};

static const char *const usage[] = { "procs --cache NAME [options]", NULL };

static const struct option_table options = {
	"kagent", usage,
	"Counts the allocations from a slab cache, until Ctrl-C or the end of the\n"
	"duration; then prints them by process and by stack.",
	defs, sizeof(defs) / sizeof(*defs), NULL,
};

static int set(void *ctx, int id, const char *arg)
{
	struct procs *p = ctx;

	switch (id) {
	case 'h':
		p->help = true;
		return 0;
	case 'T':
		return take_number("--top", arg, 1, UINT32_MAX, &p->top);
	case OPT_DURATION:
		if (!option_seconds(arg, &p->duration_ns) && p->duration_ns)
			return 0;
		fail("--duration wants seconds");
		return -EINVAL;
	case OPT_CACHE:
		if (p->pattern_count < PATTERNS) {
			p->patterns[p->pattern_count++] = arg;
			return 0;
		}
		fail("at most %d --cache options", PATTERNS);
		return -EINVAL;
	default:
		fail("procs takes options only");
		return -EINVAL;
	}
}

/* ---- by process ---------------------------------------------------------------- */

static int take_proc(void *arg, const struct ka_proc_key *key, const struct ka_proc *n)
{
	struct table *t = arg;
	struct row *bigger = realloc(t->rows, (t->count + 1) * sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	t->rows = bigger;
	bigger[t->count++] = (struct row) { *key, *n };
	return 0;
}

static int most_active(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->n.allocs != y->n.allocs)
		return x->n.allocs > y->n.allocs ? -1 : 1;
	return x->key.tgid < y->key.tgid ? -1 : x->key.tgid > y->key.tgid;
}

static int print_processes(struct capture *c, size_t top)
{
	struct table t = { NULL, 0 };
	int err = tracer_each_proc(capture_tracer(c), take_proc, &t);

	if (!err && t.count)
		qsort(t.rows, t.count, sizeof(*t.rows), most_active);
	printf("Allocations by process:\n%10s %12s %8s  COMM\n", "COUNT", "BYTES", "PID");
	for (size_t i = 0; !err && i < t.count && i < top; i++) {
		char comm[KA_COMM_LEN + 1] = "";

		memcpy(comm, t.rows[i].key.comm, KA_COMM_LEN);
		printf("%10llu %12llu %8" PRIu32 "  ", (unsigned long long)t.rows[i].n.allocs,
		       (unsigned long long)t.rows[i].n.bytes, t.rows[i].key.tgid);
		fmt_name(stdout, comm, 0);
		putchar('\n');
	}
	free(t.rows);
	return err;
}

/* ---- by stack --------------------------------------------------------------------- */

static int busiest_site(const void *a, const void *b)
{
	const struct capture_site *x = *(const struct capture_site *const *)a;
	const struct capture_site *y = *(const struct capture_site *const *)b;

	if (x->s.totals.allocs != y->s.totals.allocs)
		return x->s.totals.allocs > y->s.totals.allocs ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static void print_frame(const struct symbols *symbols, uint64_t addr)
{
	struct symbol s = symbols_find(symbols, addr);

	printf("\t\t");
	if (s.name[0]) {
		fmt_name(stdout, s.name, FMT_NAME_MAX);
		printf("+0x%" PRIx64, s.offset);
	} else {
		printf("0x%" PRIx64, addr);
	}
	printf(" [");
	fmt_name(stdout, s.module[0] ? s.module : "kernel", FMT_NAME_MAX);
	printf("]\n");
}

static int print_stacks(struct capture *c, size_t top)
{
	size_t n = capture_site_count(c);
	const struct capture_site **list = malloc((n + 1) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		list[i] = capture_site(c, i);
	qsort(list, n, sizeof(*list), busiest_site);
	printf("Allocations by stack:\n");
	for (size_t i = 0; i < n && i < top; i++) {
		printf("\t%llu allocations of ", (unsigned long long)list[i]->s.totals.allocs);
		fmt_name(stdout, capture_cache(c, list[i]->cache)->name, 0);
		putchar('\n');
		for (uint32_t j = 0; j < list[i]->s.depth; j++)
			print_frame(capture_symbols(c), list[i]->s.ip[j]);
	}
	free(list);
	return 0;
}

static void print_losses(struct capture *c)
{
	uint64_t loss[KA_LOSS_MAX], recursion;

	tracer_losses(capture_tracer(c), loss, &recursion);
	if (recursion)
		printf("%" PRIu64 " events missed by recursion protection\n", recursion);
	if (loss[KA_LOSS_SITES])
		printf("%" PRIu64 " allocations in more stacks than there is room for\n",
		       loss[KA_LOSS_SITES]);
	if (loss[KA_LOSS_OBJECTS])
		printf("%" PRIu64 " allocations of more processes than there is room for\n",
		       loss[KA_LOSS_OBJECTS]);
}

static int run(struct capture *c, const struct procs *p)
{
	uint64_t end = stop_now_ns() + p->duration_ns, next;
	int err = 0;

	while (!err && !stop_wanted() && stop_now_ns() < end) {
		next = stop_now_ns() + LOOK_NS;
		stop_sleep_until(next < end ? next : end);
		err = capture_look(c);
	}
	tracer_stop(capture_tracer(c));
	if (!err)
		err = capture_snapshot(c);
	if (!err)
		err = print_processes(c, p->top);
	if (!err)
		err = print_stacks(c, p->top);
	print_losses(c);
	return err ? fail("can't read the BPF maps: %s", strerror(-err)) : 0;
}

int cmd_procs(int argc, char **argv)
{
	struct procs p = { .duration_ns = 10000000000ull, .top = 20 };
	struct capture_settings settings = {
		.tracer = { .config = { .procs = 1, .stacks = 1, .depth = 64 }, .max_sites = 16384,
			    .cgroup_fd = -1 },
	};
	struct capture *c;
	char why[1024];
	int status;

	if (take_options(&options, argc, argv, set, &p))
		return EXIT_USAGE;
	if (p.help) {
		options_help(&options, stdout);
		return 0;
	}
	if (!p.pattern_count) {
		fail("procs wants --cache NAME: see kagent slabs for the names");
		return EXIT_USAGE;
	}
	stop_on_signals();
	settings.patterns = p.patterns;
	settings.pattern_count = p.pattern_count;
	if (capture_start(&settings, &c, why, sizeof(why)))
		return fail("%s", why);
	status = run(c, &p);
	capture_free(c);
	return status;
}

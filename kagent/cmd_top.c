// SPDX-License-Identifier: MIT
/* cmd_top.c - kagent top: allocations, frees and net growth per cache and second. */
#include "kagent/cmd.h"

#include "common/fmt.h"
#include "common/options.h"
#include "kagent/cachenames.h"
#include "kagent/stop.h"
#include "kagent/tracer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum sort { BY_COUNT, BY_BYTES, BY_NAME, BY_FREES, BY_NET };

struct top {
	struct interval_words words;
	uint64_t rows, pid;
	enum sort sort;
	bool no_clear, help;
};

struct row {
	char name[KA_NAME_LEN];
	uint32_t index;
	struct ka_cache_count before, now, delta;
};

struct table {
	struct tracer *tracer;
	struct row *rows;
	size_t count;
};

static const struct option_def defs[] = {
	{ 'C', "noclear", NULL, "don't clear the screen between the tables", 0 },
	{ 'r', "rows", "N", "print the N busiest caches (20)", 0 },
	{ 'S', "sort", "FIELD", "count, bytes, name, frees or net (count)", 0 },
	{ 'p', "pid", "PID", "only what this process allocates and frees itself", 0 },
	{ 'h', "help", NULL, "this text", 0 },
};

static const char *const usage[] = { "top [options] [interval] [count]", NULL };

static const struct option_table options = {
	"kagent", usage,
	"Prints, every second, how many objects each slab cache handed out and took\n"
	"back, and what it grew by.",
	defs, sizeof(defs) / sizeof(*defs), NULL,
};

static int set_sort(struct top *t, const char *arg)
{
	static const char *const names[] = { "count", "bytes", "name", "frees", "net" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(arg, names[i])) {
			t->sort = i;
			return 0;
		}
	}
	fail("--sort wants count, bytes, name, frees or net");
	return -EINVAL;
}

static int set(void *ctx, int id, const char *arg)
{
	struct top *t = ctx;

	switch (id) {
	case 'C':
		t->no_clear = true;
		return 0;
	case 'h':
		t->help = true;
		return 0;
	case 'r':
		return take_number("--rows", arg, 1, 100000, &t->rows);
	case 'p':
		return take_number("--pid", arg, 1, INT32_MAX, &t->pid);
	case 'S':
		return set_sort(t, arg);
	default:
		return take_interval_word(&t->words, arg);
	}
}

/* ---- the table ------------------------------------------------------------- */

static struct row *find_row(struct table *t, uint32_t index)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->rows[i].index == index)
			return &t->rows[i];
	return NULL;
}

static int update(void *arg, uint64_t id, const struct ka_cache *c)
{
	struct table *t = arg;
	struct row *r = find_row(t, c->index), *bigger;

	if (!r) {
		bigger = realloc(t->rows, (t->count + 1) * sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		t->rows = bigger;
		r = &bigger[t->count++];
		*r = (struct row) { .index = c->index };
		snprintf(r->name, sizeof(r->name), "%s",
			 id == KA_CACHE_LARGE	  ? "kmalloc-large"
			 : id == KA_CACHE_UNKNOWN ? "unknown"
						  : c->name.text);
	}
	return tracer_counts(t->tracer, r->index, &r->now);
}

static void make_deltas(struct table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		struct row *r = &t->rows[i];

		r->delta.allocs = r->now.allocs - r->before.allocs;
		r->delta.alloc_bytes = r->now.alloc_bytes - r->before.alloc_bytes;
		r->delta.frees = r->now.frees - r->before.frees;
		r->delta.free_bytes = r->now.free_bytes - r->before.free_bytes;
		r->before = r->now;
	}
}

static int64_t net(const struct row *r)
{
	return (int64_t)(r->delta.allocs - r->delta.frees);
}

static int falling(int64_t a, int64_t b)
{
	return a > b ? -1 : a < b;
}

static enum sort sorting;	/* qsort() takes no argument for its comparator */

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = 0;

	switch (sorting) {
	case BY_COUNT:
		order = falling(x->delta.allocs, y->delta.allocs);
		break;
	case BY_BYTES:
		order = falling(x->delta.alloc_bytes, y->delta.alloc_bytes);
		break;
	case BY_FREES:
		order = falling(x->delta.frees, y->delta.frees);
		break;
	case BY_NET:
		order = falling(net(x), net(y));
		break;
	case BY_NAME:
		break;
	}
	return order ? order : strcmp(x->name, y->name);
}

static void print_load(void)
{
	char load[128] = "", clock[16];
	FILE *f = fopen("/proc/loadavg", "re");
	time_t now = time(NULL);

	if (f && !fgets(load, sizeof(load), f))
		load[0] = 0;
	if (f)
		fclose(f);
	load[strcspn(load, "\n")] = 0;
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&now));
	printf("%s loadavg: %s\n\n", clock, load);
}

static void print_table(struct table *t, const struct top *top)
{
	size_t printed = 0;

	if (!top->no_clear && isatty(1))
		printf("\033[H\033[2J");
	print_load();
	printf("%-32s %10s %12s %10s %10s %12s\n", "CACHE", "ALLOCS", "BYTES", "FREES", "NET",
	       "NET BYTES");
	sorting = top->sort;
	qsort(t->rows, t->count, sizeof(*t->rows), compare);
	for (size_t i = 0; i < t->count && printed < top->rows; i++) {
		const struct row *r = &t->rows[i];
		char name[2 * KA_NAME_LEN];

		if (!r->delta.allocs && !r->delta.frees)
			continue;
		printf("%-32s %10llu %12llu %10llu %+10lld %+12lld\n",
		       fmt_name_buf(name, sizeof(name), r->name),
		       (unsigned long long)r->delta.allocs,
		       (unsigned long long)r->delta.alloc_bytes, (unsigned long long)r->delta.frees,
		       (long long)net(r), (long long)(r->delta.alloc_bytes - r->delta.free_bytes));
		printed++;
	}
	if (!tracer_sees_bulk(t->tracer))
		printf("(frees in bulk emit no event on this kernel: NET may be too high)\n");
	printf("\n");
	fflush(stdout);
}

static int run(struct table *t, const struct top *top)
{
	uint64_t next = stop_now_ns(), rounds = 0;
	int err;

	while (!stop_wanted() && (!top->words.count || rounds++ < top->words.count)) {
		next += top->words.interval_ns;
		stop_sleep_until(next);
		err = tracer_each_cache(t->tracer, update, t);
		if (err)
			return fail("can't read the counters: %s", strerror(-err));
		make_deltas(t);
		print_table(t, top);
	}
	return 0;
}

static void print_misses(struct tracer *tracer)
{
	uint64_t loss[KA_LOSS_MAX], recursion;

	tracer_losses(tracer, loss, &recursion);
	if (recursion)
		printf("%llu events came while their program was running, and are not counted\n",
		       (unsigned long long)recursion);
	if (loss[KA_LOSS_CACHES])
		printf("more than %u caches: %llu events not counted\n", KA_MAX_CACHES,
		       (unsigned long long)loss[KA_LOSS_CACHES]);
}

int cmd_top(int argc, char **argv)
{
	struct top top = { .words = { .interval_ns = 1000000000 }, .rows = 20 };
	struct tracer_settings settings = { .config = { .count = 1 }, .cgroup_fd = -1 };
	struct table t = { .count = 0 };
	char why[1024];
	int status;

	if (take_options(&options, argc, argv, set, &top))
		return EXIT_USAGE;
	if (top.help) {
		options_help(&options, stdout);
		return 0;
	}
	stop_on_signals();
	settings.pids = &(uint32_t) { (uint32_t)top.pid };
	settings.pid_count = top.pid != 0;
	if (tracer_start(&settings, &t.tracer, why, sizeof(why)))
		return fail("%s", why);
	status = run(&t, &top);
	print_misses(t.tracer);
	tracer_free(t.tracer);
	free(t.rows);
	return status;
}

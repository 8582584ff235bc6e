// SPDX-License-Identifier: MIT
/* view.c - stanzas by stack with cache, holders, ages and verdicts; the coverage lines. */
#include "kagent/view.h"

#include "common/fmt.h"
#include "kagent/procinfo.h"
#include "report/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_TICK	10000000ull	/* field 22 of /proc/PID/stat counts 1/100 s */
#define HOLDERS		5		/* processes named per stanza */
#define COVERED		20		/* coverage lines, at most */

static void print_heading(FILE *f, size_t shown, const char *what)
{
	time_t now = time(NULL);
	char clock[16];

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&now));
	fprintf(f, "[%s] Top %zu %s with outstanding objects:\n", clock, shown, what);
}

/* ---- stanzas by stack ------------------------------------------------------------ */

static const struct capture_cache *cache_named(const struct capture *c, const char *name)
{
	for (size_t i = 0; i < capture_cache_count(c); i++)
		if (capture_cache(c, i)->wanted && !strcmp(capture_cache(c, i)->name, name))
			return capture_cache(c, i);
	return NULL;
}

static void print_cache(FILE *f, const struct capture *c, const struct report_site *s)
{
	const struct capture_cache *cache = s->cache ? cache_named(c, s->cache) : NULL;

	fputs("\t\tcache ", f);
	fmt_name(f, s->cache ? s->cache : report_kind_name(s->kind), FMT_NAME_MAX);
	if (cache && cache->aliases[0]) {
		fputs(" (merged with ", f);
		fmt_name(f, cache->aliases, 80);
		putc(')', f);
	}
}

static void print_verdicts(FILE *f, const struct report_site *s)
{
	static const char *const names[] = { "young", "live", "freed unseen", "slab gone",
					     "unverified" };
	const char *separator = "; ";

	for (int v = 0; v < 5; v++) {
		if (!s->verdicts[v])
			continue;
		fprintf(f, "%s%" PRIu64 " %s", separator, s->verdicts[v], names[v]);
		separator = ", ";
	}
}

void view_ages(FILE *f, uint64_t youngest_ns, uint64_t oldest_ns)
{
	char from[FMT_FIGURE], to[FMT_FIGURE];

	if (youngest_ns > oldest_ns)
		return;
	fmt_duration(from, youngest_ns);
	fmt_duration(to, oldest_ns);
	if (strcmp(from, to))
		fprintf(f, "; age %s to %s", from, to);
	else
		fprintf(f, "; age %s", from);
}

/* A process with all that its threads hold here. */
struct holder {
	uint32_t process;
	double count, bytes;
};

static int by_bytes(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->process < y->process ? -1 : x->process > y->process;
}

static size_t collect_holders(const struct report_site *s, struct holder *list)
{
	size_t n = 0;

	for (size_t i = 0; i < s->holding_count; i++) {
		const struct report_holding *h = &s->holdings[i];

		if (!n || list[n - 1].process != h->process)
			list[n++] = (struct holder) { .process = h->process };
		list[n - 1].count += h->live.est_count;
		list[n - 1].bytes += h->live.est_bytes;
	}
	qsort(list, n, sizeof(*list), by_bytes);
	return n;
}

static void print_holder(FILE *f, const struct report *r, const struct holder *h)
{
	const struct report_process *p = report_process(r, h->process);

	fputs("\t\t", f);
	fmt_name(f, p->comm, FMT_NAME_MAX);
	fprintf(f, " pid %" PRIu32 "%s: %.0f bytes in %.0f objects\n", p->pid,
		p->start_ticks && process_exited(p->pid, p->start_ticks * NS_PER_TICK) ? " (exited)"
										       : "",
		h->bytes, h->count);
}

static void print_holders(FILE *f, const struct report *r, const struct report_site *s)
{
	struct holder *list = malloc((s->holding_count + 1) * sizeof(*list));
	size_t n = list ? collect_holders(s, list) : 0;

	for (size_t i = 0; i < n && i < HOLDERS; i++)
		print_holder(f, r, &list[i]);
	if (n > HOLDERS)
		fprintf(f, "\t\tand %zu more processes\n", n - HOLDERS);
	free(list);
}

/* Who holds a single object: the snapshot knows, the report only by sites. */
static const struct capture_object *find_object(const struct capture *c, uint64_t addr)
{
	size_t low = 0, high = capture_object_count(c), mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (capture_object(c, mid)->addr < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < capture_object_count(c) && capture_object(c, low)->addr == addr
	       ? capture_object(c, low) : NULL;
}

static void print_objects(FILE *f, const struct capture *c, const struct report_site *s)
{
	char age[FMT_FIGURE], comm[KA_COMM_LEN + 1] = "";

	for (size_t i = 0; i < s->block_count; i++) {
		const struct report_block *b = &s->blocks[i];
		const struct capture_object *o = find_object(c, b->addr);

		fprintf(f, "\taddr = %" PRIx64 " size = %" PRIu64 " age = %s", b->addr, b->size,
			fmt_duration(age, b->age_ns));
		if (o) {
			memcpy(comm, o->o.comm, KA_COMM_LEN);
			fprintf(f, " pid = %" PRIu32 " comm = ", o->o.tgid);
			fmt_name(f, comm, 0);
		}
		putc('\n', f);
	}
}

static void print_amount(FILE *f, const struct figure *l)
{
	double bound = figure_bound(l->var_bytes);

	fprintf(f, "%.0f bytes in %.0f objects from stack", l->est_bytes, l->est_count);
	if (bound > 0)
		fprintf(f, " (estimate, +-%.0f bytes)", bound);
	putc('\n', f);
}

static void print_stanza(FILE *f, const struct capture *c, const struct report *r,
			 const struct report_site *s, const struct view_options *o)
{
	const struct text_options text = { .colour = o->colour, .wide = o->wide };

	if (o->show_allocs)
		print_objects(f, c, s);
	putc('\t', f);
	print_amount(f, &s->live);
	text_print_frames(f, r, s, &text, "\t\t\t");
	print_cache(f, c, s);
	view_ages(f, s->age_min_ns, s->age_max_ns);
	print_verdicts(f, s);
	putc('\n', f);
	print_holders(f, r, s);
}

void view_stacks(FILE *f, const struct capture *c, const struct report *r,
		 const struct view_options *o)
{
	size_t shown = 0;

	while (shown < report_site_count(r) && report_site(r, shown)->live.count)
		shown++;
	print_heading(f, shown, "stacks");
	for (size_t i = 0; i < shown; i++)
		print_stanza(f, c, r, report_site(r, i), o);
}

/* ---- coverage ----------------------------------------------------------------------- */

static int64_t growth(const struct capture_cache *k)
{
	return (int64_t)(k->active_end - k->active_start);
}

static double growth_bytes(const struct capture_cache *k)
{
	return (double)growth(k) * k->slab_size;
}

static int by_growth(const void *a, const void *b)
{
	const struct capture_cache *x = *(const struct capture_cache *const *)a;
	const struct capture_cache *y = *(const struct capture_cache *const *)b;

	if (growth_bytes(x) != growth_bytes(y))
		return growth_bytes(x) > growth_bytes(y) ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* What was asked for is shown in any case, else only what grew. */
static bool is_shown(const struct capture_cache *k, const struct view_options *o)
{
	return k->wanted && (!k->id || k->id > KA_CACHE_LAST) && (o->some_caches || growth(k) > 0);
}

/* What slabinfo must have grown by, had no older object been freed meanwhile. */
static int64_t expected(const struct capture_cache *k)
{
	return growth(k) + (int64_t)k->older_frees;
}

static void print_coverage(FILE *f, const struct capture_cache *k, const struct view_options *o)
{
	double tracked = (double)(int64_t)(k->tracked - k->tracked_start) *
			 (o->sample ? o->sample : 1);
	double percent;

	fputs("\t", f);
	fmt_name(f, k->name, FMT_NAME_MAX);
	fprintf(f, ": tracked %+.0f, slabinfo %+" PRId64, tracked, growth(k));
	if (k->older_frees)
		fprintf(f, " after %" PRIu64 " older ones were freed", k->older_frees);
	if (expected(k) > 0) {
		percent = 100 * tracked / (double)expected(k);
		fprintf(f, ", coverage %.0f %%", percent < 0 ? 0 : percent < 100 ? percent : 100);
	}
	if (k->freed_unseen)
		fprintf(f, "; %" PRIu64 " freed unseen", k->freed_unseen);
	putc('\n', f);
}

void view_coverage(FILE *f, const struct capture *c, const struct view_options *o)
{
	size_t n = 0, count = capture_cache_count(c);
	const struct capture_cache **list;

	if (o->some_tasks && !o->some_caches)
		return;		/* all others' allocations would seem not covered */
	list = malloc((count + 1) * sizeof(*list));
	for (size_t i = 0; list && i < count; i++)
		if (is_shown(capture_cache(c, i), o))
			list[n++] = capture_cache(c, i);
	if (n) {
		qsort(list, n, sizeof(*list), by_growth);
		fprintf(f,
			"Coverage (growth since the start; objects that come in bulk emit no "
			"event%s):\n",
			o->some_tasks	 ? "; other tasks' are not tracked"
			: o->some_caches ? ""
					 : "; caches that grew most");
	}
	for (size_t i = 0; i < n && i < COVERED; i++)
		print_coverage(f, list[i], o);
	free(list);
}

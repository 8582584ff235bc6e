// SPDX-License-Identifier: MIT
/* slabs_view.c - slab caches as a table, summary and detail. */
#include "kagent/slabs_view.h"

#include "common/fmt.h"
#include "kagent/cachenames.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const sort_names[SORT_COUNT] = {
	"name", "active", "total", "size", "objects", "pages", "slabs", "use", "waste", "frag",
	"kb",
};

int slabs_sort_parse(const char *name, enum slabs_sort *sort)
{
	for (int i = 0; i < SORT_COUNT; i++) {
		if (!strcmp(sort_names[i], name)) {
			*sort = i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *slabs_sort_name(enum slabs_sort sort)
{
	return sort_names[sort];
}

static double use_percent(const struct slab_row *r)
{
	return r->total ? 100.0 * (double)r->active / (double)r->total : 100;
}

/* How much of the slabs' memory holds no object in use. */
static double frag_percent(const struct slab_row *r)
{
	uint64_t bytes = slab_row_bytes(r);

	return bytes ? 100.0 * (double)slab_row_waste(r) / (double)bytes : 0;
}

static double sort_value(const struct slab_row *r, enum slabs_sort sort)
{
	switch (sort) {
	case SORT_ACTIVE:
		return (double)r->active;
	case SORT_TOTAL:
		return (double)r->total;
	case SORT_SIZE:
		return r->object_size;
	case SORT_PER_SLAB:
		return r->objects_per_slab;
	case SORT_PAGES:
		return r->pages_per_slab;
	case SORT_SLABS:
		return (double)r->slabs;
	case SORT_USE:
		return use_percent(r);
	case SORT_WASTE:
		return (double)slab_row_waste(r);
	case SORT_FRAG:
		return frag_percent(r);
	case SORT_KB:
		return (double)slab_row_bytes(r);
	default:
		return 0;
	}
}

static enum slabs_sort sorting;	/* qsort() takes no argument for its comparator */

static int compare(const void *a, const void *b)
{
	const struct slab_row *x = a, *y = b;
	double vx = sort_value(x, sorting), vy = sort_value(y, sorting);

	if (vx != vy)
		return vx > vy ? -1 : 1;
	return strcmp(x->name, y->name);
}

void slabs_sort(struct slab_table *t, enum slabs_sort sort)
{
	sorting = sort;
	if (t->count)
		qsort(t->rows, t->count, sizeof(*t->rows), compare);
}

static bool is_shown(const struct slab_row *r, const struct slabs_view *v)
{
	return (!v->pattern || !fnmatch(v->pattern, r->name, 0)) && !(v->compact && !r->total);
}

size_t slabs_matching(const struct slab_table *t, const struct slabs_view *v)
{
	size_t n = 0;

	for (size_t i = 0; i < t->count; i++)
		n += is_shown(&t->rows[i], v);
	return n;
}

static void print_row(FILE *f, const struct slab_row *r, const struct slabs_view *v)
{
	uint64_t kb = slab_row_bytes(r) / 1024, waste = slab_row_waste(r);
	char name[2 * sizeof(r->name)];

	fmt_name_buf(name, sizeof(name), r->name);
	waste = v->kib ? waste / 1024 : waste;
	if (v->compact)
		fprintf(f, "%-28s %9" PRIu64 " %7" PRIu32 " %9" PRIu64 "\n", name, r->active,
			r->object_size, kb);
	else if (v->narrow)
		fprintf(f, "%-24.24s %9" PRIu64 " %9" PRIu64 " %7" PRIu32 " %4.0f%% %10" PRIu64
			" %8" PRIu64 "\n", name, r->active, r->total, r->object_size,
			use_percent(r), waste, kb);
	else
		fprintf(f, "%-24s %9" PRIu64 " %9" PRIu64 " %7" PRIu32 " %5" PRIu32 " %5" PRIu32
			" %7" PRIu64 " %4.0f%% %10" PRIu64 " %4.0f%% %8" PRIu64 "\n", name,
			r->active, r->total, r->object_size, r->objects_per_slab,
			r->pages_per_slab, r->slabs, use_percent(r), waste, frag_percent(r), kb);
}

static void print_head(FILE *f, const struct slabs_view *v)
{
	const char *waste = v->kib ? "WASTE KB" : "WASTE";

	if (v->compact)
		fprintf(f, "%-28s %9s %7s %9s\n", "CACHE", "ACTIVE", "OBJSIZE", "KB");
	else if (v->narrow)
		fprintf(f, "%-24s %9s %9s %7s %5s %10s %8s\n", "CACHE", "ACTIVE", "TOTAL",
			"OBJSIZE", "USE", waste, "KB");
	else
		fprintf(f, "%-24s %9s %9s %7s %5s %5s %7s %5s %10s %5s %8s\n", "CACHE", "ACTIVE",
			"TOTAL", "OBJSIZE", "OBJS", "PAGES", "SLABS", "USE", waste, "FRAG", "KB");
}

void slabs_print_table(FILE *f, struct slab_table *t, const struct slabs_view *v)
{
	size_t printed = 0;

	print_head(f, v);
	slabs_sort(t, v->sort);
	for (size_t i = 0; i < t->count && (!v->rows || printed < v->rows); i++) {
		if (!is_shown(&t->rows[i], v))
			continue;
		print_row(f, &t->rows[i], v);
		printed++;
	}
}

/* ---- slabtop's header ---- */

struct sums {
	uint64_t active, total, active_slabs, slabs, active_caches, active_bytes, bytes;
	uint32_t min_size, max_size;
};

static struct sums sum_up(const struct slab_table *t)
{
	struct sums s = { .min_size = UINT32_MAX };

	for (size_t i = 0; i < t->count; i++) {
		const struct slab_row *r = &t->rows[i];

		s.active += r->active;
		s.total += r->total;
		s.active_slabs += r->active_slabs;
		s.slabs += r->slabs;
		s.active_caches += r->active != 0;
		s.active_bytes += r->active * r->object_size;
		s.bytes += slab_row_bytes(r);
		if (r->object_size < s.min_size)
			s.min_size = r->object_size;
		if (r->object_size > s.max_size)
			s.max_size = r->object_size;
	}
	if (!t->count)
		s.min_size = 0;
	return s;
}

static double share(double part, double whole)
{
	return whole > 0 ? 100 * part / whole : 0;
}

void slabs_print_summary(FILE *f, const struct slab_table *t)
{
	struct sums s = sum_up(t);

	fprintf(f, " Active / Total Objects (%% used)    : %" PRIu64 " / %" PRIu64 " (%.1f%%)\n",
		s.active, s.total, share((double)s.active, (double)s.total));
	fprintf(f, " Active / Total Slabs (%% used)      : %" PRIu64 " / %" PRIu64 " (%.1f%%)\n",
		s.active_slabs, s.slabs, share((double)s.active_slabs, (double)s.slabs));
	fprintf(f, " Active / Total Caches (%% used)     : %" PRIu64 " / %zu (%.1f%%)\n",
		s.active_caches, t->count, share((double)s.active_caches, (double)t->count));
	fprintf(f, " Active / Total Size (%% used)       : %.2fK / %.2fK (%.1f%%)\n",
		(double)s.active_bytes / 1024, (double)s.bytes / 1024,
		share((double)s.active_bytes, (double)s.bytes));
	fprintf(f, " Minimum / Average / Maximum Object : %.2fK / %.2fK / %.2fK\n\n",
		s.min_size / 1024.0, s.total ? (double)s.bytes / (double)s.total / 1024 : 0,
		s.max_size / 1024.0);
}

/* ---- one cache ---- */

static void print_value(FILE *f, const char *what, long value)
{
	if (value >= 0)
		fprintf(f, "\t%-34s %ld\n", what, value);
}

static void print_flags(FILE *f, const struct slab_detail *d)
{
	const struct {
		const char *name;
		long on;
	} flags[] = {
		{ "reclaimable", d->reclaim_account },
		{ "hwcache-align", d->hwcache_align },
		{ "dma", d->cache_dma },
		{ "freed-by-rcu", d->destroy_by_rcu },
		{ "red-zone", d->red_zone },
		{ "poison", d->poison },
		{ "store-user", d->store_user },
		{ "sanity-checks", d->sanity_checks },
		{ "trace", d->trace },
	};
	bool any = false;

	fprintf(f, "\t%-34s", "flags");
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (flags[i].on > 0) {
			fprintf(f, " %s", flags[i].name);
			any = true;
		}
	}
	fprintf(f, "%s\n", any ? "" : " none");
}

static void print_attributes(FILE *f, const struct slab_detail *d)
{
	print_value(f, "object size", d->object_size);
	print_value(f, "size with padding", d->slab_size);
	print_value(f, "alignment", d->align);
	print_value(f, "order (slab = 2^order pages)", d->order);
	print_value(f, "objects per slab", d->objs_per_slab);
	print_value(f, "slabs", d->slabs);
	print_value(f, "slabs of CPUs", d->cpu_slabs);
	print_value(f, "partial slabs of nodes", d->partial);
	print_value(f, "objects in partial slabs", d->objects_partial);
	print_value(f, "partial slabs kept per node", d->min_partial);
	print_value(f, "free objects kept per CPU", d->cpu_partial);
	print_value(f, "user space may copy (bytes)", d->usersize);
	if (d->ctor[0]) {
		fprintf(f, "\t%-34s ", "constructor");
		fmt_name(f, d->ctor, 0);
		putc('\n', f);
	}
	print_flags(f, d);
}

static void print_aliases(FILE *f, const char *name)
{
	struct cache_names *names;
	const char *aliases;

	if (cache_names_load("/sys/kernel/slab", &names))
		return;
	aliases = cache_names_aliases(names, name);
	fprintf(f, "\t%-34s ", "merged with");
	fmt_name(f, aliases[0] ? aliases : "none", 0);
	putc('\n', f);
	cache_names_free(names);
}

int slabs_print_detail(FILE *f, const struct slab_table *t, const char *name)
{
	const struct slab_row *r = slab_table_find(t, name);
	struct slab_detail d;
	int err = slab_detail_read("/sys/kernel/slab", name, &d);

	if (err && !r)
		return err;
	fmt_name(f, name, 0);
	putc('\n', f);
	if (r) {
		fprintf(f, "\t%-34s %" PRIu64 " of %" PRIu64 " (%.0f %%)\n", "objects in use",
			r->active, r->total, use_percent(r));
		fprintf(f, "\t%-34s %" PRIu64 " KiB, %" PRIu64 " bytes of it unused (%.0f %%)\n",
			"memory", slab_row_bytes(r) / 1024, slab_row_waste(r), frag_percent(r));
	}
	if (!err)
		print_attributes(f, &d);
	print_aliases(f, name);
	return 0;
}

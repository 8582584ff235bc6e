// SPDX-License-Identifier: MIT
/* slabs_growth.c - kagent slabs --growth and --log. */
#include "kagent/slabs_growth.h"

#include "common/fmt.h"
#include "kagent/cmd.h"
#include "kagent/slabinfo.h"
#include "kagent/stop.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLES 512	/* kept per cache: when full, every second one goes */

struct cache {
	char name[64];
	uint32_t object_size;
	uint64_t active[SAMPLES];
};

struct series {
	const struct slabs_series *s;
	struct cache *caches;
	size_t count;
	size_t samples;		/* taken and kept */
	size_t stride;		/* rounds per kept sample */
	FILE *log;
	uint64_t start_ns;
};

int slabs_is_steady(const uint64_t *active, size_t count)
{
	size_t rising = 0;

	if (count < 5 || active[count - 1] <= active[0])
		return 0;
	for (size_t i = 1; i < count; i++)
		rising += active[i] >= active[i - 1];
	return rising * 5 >= (count - 1) * 4 && active[count / 2] > active[0] &&
	       active[count - 1] > active[count / 2];
}

static struct cache *cache_for(struct series *s, const struct slab_row *r)
{
	struct cache *bigger;

	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->caches[i].name, r->name))
			return &s->caches[i];
	bigger = realloc(s->caches, (s->count + 1) * sizeof(*bigger));
	if (!bigger)
		return NULL;
	s->caches = bigger;
	memset(&bigger[s->count], 0, sizeof(*bigger));
	memcpy(bigger[s->count].name, r->name, sizeof(r->name));
	bigger[s->count].object_size = r->object_size;
	return &bigger[s->count++];
}

/* A name that holds a comma or a quote is quoted (RFC 4180); control characters are escaped. */
static void log_name(FILE *f, const char *name)
{
	char safe[256];

	fmt_name_buf(safe, sizeof(safe), name);
	if (!strpbrk(safe, ",\" ")) {
		fputs(safe, f);
		return;
	}
	putc('"', f);
	for (const char *p = safe; *p; p++) {
		if (*p == '"')
			putc('"', f);
		putc(*p, f);
	}
	putc('"', f);
}

static void log_row(FILE *f, const struct slab_row *r)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	fprintf(f, "%lld.%03ld,", (long long)t.tv_sec, t.tv_nsec / 1000000);
	log_name(f, r->name);
	fprintf(f, ",%" PRIu64 ",%" PRIu64 ",%" PRIu32 ",%" PRIu64 ",%" PRIu64 "\n", r->active,
		r->total, r->object_size, r->slabs, slab_row_bytes(r));
}

static void thin(struct series *s)
{
	for (size_t i = 0; i < s->count; i++)
		for (size_t j = 0; j < SAMPLES / 2; j++)
			s->caches[i].active[j] = s->caches[i].active[2 * j];
	s->samples = SAMPLES / 2;
	s->stride *= 2;
}

static int sample(struct series *s, size_t round)
{
	struct slab_table t;
	int err = slab_table_read("/proc/slabinfo", &t);
	bool keep = round % s->stride == 0;

	if (err)
		return err;
	if (keep && s->samples == SAMPLES)
		thin(s);
	for (size_t i = 0; i < t.count && !err; i++) {
		const struct slab_row *r = &t.rows[i];
		struct cache *c;

		if (s->s->pattern && fnmatch(s->s->pattern, r->name, 0))
			continue;
		if (s->log)
			log_row(s->log, r);
		c = keep && s->s->growth ? cache_for(s, r) : NULL;
		if (c)
			c->active[s->samples] = r->active;
		else if (keep && s->s->growth)
			err = -ENOMEM;
	}
	s->samples += keep;
	slab_table_free(&t);
	if (s->log && (fflush(s->log) || ferror(s->log)))
		err = -EIO;
	return err;
}

static int64_t growth(const struct cache *c, size_t samples)
{
	return (int64_t)(c->active[samples - 1] - c->active[0]) * c->object_size;
}

static size_t sorted_samples;	/* qsort() takes no argument for its comparator */

static int by_growth(const void *a, const void *b)
{
	int64_t x = growth(a, sorted_samples), y = growth(b, sorted_samples);

	return x > y ? -1 : x < y;
}

static void print_growth(struct series *s)
{
	double minutes = (double)(stop_now_ns() - s->start_ns) / 60e9;
	size_t printed = 0;
	char name[256];

	if (!s->samples || !s->count)
		return;
	sorted_samples = s->samples;
	qsort(s->caches, s->count, sizeof(*s->caches), by_growth);
	printf("%-28s %10s %12s %14s\n", "CACHE", "OBJECTS", "BYTES", "BYTES/MIN");
	for (size_t i = 0; i < s->count && printed < s->s->rows; i++) {
		const struct cache *c = &s->caches[i];
		int64_t objects = (int64_t)(c->active[s->samples - 1] - c->active[0]);

		if (!objects)
			continue;
		printf("%-28s %+10" PRId64 " %+12" PRId64 " %+14.0f%s\n",
		       fmt_name_buf(name, sizeof(name), c->name), objects, growth(c, s->samples),
		       minutes > 0 ? (double)growth(c, s->samples) / minutes : 0,
		       slabs_is_steady(c->active, s->samples) ? "  steady growth" : "");
		printed++;
	}
	if (!printed)
		printf("no cache changed its number of objects\n");
}

static int loop(struct series *s)
{
	uint64_t end = s->s->duration_ns ? s->start_ns + s->s->duration_ns : UINT64_MAX;
	uint64_t next = s->start_ns;
	size_t round = 0;
	int err = 0;

	for (;;) {
		err = sample(s, round++);
		next += s->s->interval_ns;
		if (err || stop_wanted() || next > end)
			return err;
		stop_sleep_until(next);
		if (stop_wanted())
			return 0;
	}
}

int slabs_series_run(const struct slabs_series *settings)
{
	struct series s = { .s = settings, .stride = 1, .start_ns = stop_now_ns() };
	int err;

	if (settings->log) {
		s.log = fopen(settings->log, "we");
		if (!s.log)
			return fail("%s: %s", settings->log, strerror(errno));
		fputs("time,cache,active,total,object_size,slabs,bytes\n", s.log);
	}
	stop_on_signals();
	err = loop(&s);
	if (!err && settings->growth)
		print_growth(&s);
	if (s.log && fclose(s.log) && !err)
		err = -errno;
	free(s.caches);
	if (err == -EACCES)
		return fail("/proc/slabinfo may only be read by root");
	return err ? fail("%s", strerror(-err)) : 0;
}

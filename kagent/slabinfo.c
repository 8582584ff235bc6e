// SPDX-License-Identifier: MIT
/* slabinfo.c - parsers of /proc/slabinfo and of a cache's directory in sysfs. */
#include "kagent/slabinfo.h"

#include "common/io.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLABINFO_MAX	(16u << 20)

/*
 * NAME <active> <total> <size> <per slab> <pages> : tunables ... : slabdata
 * <active slabs> <slabs> <avail>. Names may hold blanks and colons, so the
 * figures are found from the end of the line.
 */
static bool parse_row(char *line, struct slab_row *r)
{
	char *slabdata = NULL, *tunables = NULL, *p, *field[6];
	int n = 0;

	for (p = line; (p = strstr(p, " : slabdata ")); p++)
		slabdata = p;
	if (!slabdata)
		return false;
	*slabdata = 0;
	for (p = line; (p = strstr(p, " : tunables ")); p++)
		tunables = p;
	if (!tunables)
		return false;
	*tunables = 0;
	/* five figures, from the right */
	for (p = tunables; n < 5; n++) {
		while (p > line && p[-1] == ' ')
			*--p = 0;
		while (p > line && p[-1] != ' ')
			p--;
		field[n] = p;
		if (p == line)
			return false;
	}
	while (p > line && p[-1] == ' ')
		*--p = 0;
	if (!line[0])
		return false;
	memset(r, 0, sizeof(*r));
	snprintf(r->name, sizeof(r->name), "%.*s", (int)sizeof(r->name) - 1, line);
	r->pages_per_slab = strtoul(field[0], NULL, 10);
	r->objects_per_slab = strtoul(field[1], NULL, 10);
	r->object_size = strtoul(field[2], NULL, 10);
	r->total = strtoull(field[3], NULL, 10);
	r->active = strtoull(field[4], NULL, 10);
	return sscanf(slabdata + 1, ": slabdata %" SCNu64 " %" SCNu64, &r->active_slabs,
		      &r->slabs) == 2;
}

static int add_row(struct slab_table *t, const struct slab_row *r)
{
	struct slab_row *bigger;

	if ((t->count & (t->count - 1)) == 0) {
		bigger = realloc(t->rows, (t->count ? t->count * 2 : 1) * sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		t->rows = bigger;
	}
	t->rows[t->count++] = *r;
	return 0;
}

static int parse_table(char *text, struct slab_table *t)
{
	struct slab_row row;
	char *next;
	int err = 0;

	if (strncmp(text, "slabinfo - version: 2.", 22))
		return -EINVAL;
	for (; *text && !err; text = next) {
		next = text + strcspn(text, "\n");
		if (*next)
			*next++ = 0;
		if (text[0] == '#' || !strncmp(text, "slabinfo", 8))
			continue;
		err = parse_row(text, &row) ? add_row(t, &row) : -EINVAL;
	}
	return err;
}

int slab_table_read(const char *path, struct slab_table *out)
{
	struct slab_table t = { NULL, 0 };
	char *text;
	size_t len;
	int err;

	err = io_read_file(path, SLABINFO_MAX, &text, &len);
	if (err)
		return err;
	err = parse_table(text, &t);
	free(text);
	if (err)
		slab_table_free(&t);
	else
		*out = t;
	return err;
}

void slab_table_free(struct slab_table *t)
{
	free(t->rows);
	t->rows = NULL;
	t->count = 0;
}

const struct slab_row *slab_table_find(const struct slab_table *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (!strcmp(t->rows[i].name, name))
			return &t->rows[i];
	return NULL;
}

uint64_t slab_row_bytes(const struct slab_row *r)
{
	return r->slabs * r->pages_per_slab * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t slab_row_waste(const struct slab_row *r)
{
	uint64_t used = r->active * r->object_size, bytes = slab_row_bytes(r);

	return bytes > used ? bytes - used : 0;
}

/* ---- sysfs ---- */

/* The file's first line, 0 or -errno. */
static int read_attribute(const char *dir, const char *cache, const char *attribute, char *text,
			  size_t size)
{
	char path[512];
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/%s/%s", dir, cache, attribute) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	f = fopen(path, "re");
	if (!f)
		return -errno;
	if (!fgets(text, size, f))
		text[0] = 0;
	fclose(f);
	text[strcspn(text, "\n")] = 0;
	return 0;
}

int slab_detail_read(const char *dir, const char *name, struct slab_detail *out)
{
	struct slab_detail d = { .ctor = "" };
	const struct {
		const char *attribute;
		long *value;
	} list[] = {
		{ "object_size", &d.object_size },
		{ "slab_size", &d.slab_size },
		{ "order", &d.order },
		{ "align", &d.align },
		{ "objs_per_slab", &d.objs_per_slab },
		{ "partial", &d.partial },
		{ "cpu_slabs", &d.cpu_slabs },
		{ "min_partial", &d.min_partial },
		{ "aliases", &d.aliases },
		{ "refcount", &d.refs },
		{ "cpu_partial", &d.cpu_partial },
		{ "slabs", &d.slabs },
		{ "objects", &d.objects },
		{ "total_objects", &d.total_objects },
		{ "objects_partial", &d.objects_partial },
		{ "reclaim_account", &d.reclaim_account },
		{ "hwcache_align", &d.hwcache_align },
		{ "cache_dma", &d.cache_dma },
		{ "destroy_by_rcu", &d.destroy_by_rcu },
		{ "red_zone", &d.red_zone },
		{ "poison", &d.poison },
		{ "store_user", &d.store_user },
		{ "sanity_checks", &d.sanity_checks },
		{ "trace", &d.trace },
		{ "usersize", &d.usersize },
	};
	char text[256];
	int err = read_attribute(dir, name, "object_size", text, sizeof(text));

	if (err)
		return err;
	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		err = read_attribute(dir, name, list[i].attribute, text, sizeof(text));
		*list[i].value = err || !text[0] ? -1 : strtol(text, NULL, 10);
	}
	if (!read_attribute(dir, name, "ctor", text, sizeof(text)))
		snprintf(d.ctor, sizeof(d.ctor), "%.*s", (int)sizeof(d.ctor) - 1, text);
	*out = d;
	return 0;
}

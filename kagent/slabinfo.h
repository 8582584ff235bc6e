// SPDX-License-Identifier: MIT
/*
 * slabinfo.h - the slab caches and their fill, from /proc/slabinfo (slabinfo(5))
 * and /sys/kernel/slab.
 */
#ifndef KAGENT_SLABINFO_H
#define KAGENT_SLABINFO_H

#include <stddef.h>
#include <stdint.h>

struct slab_row {
	char name[64];
	uint64_t active, total;		/* objects */
	uint64_t slabs, active_slabs;
	uint32_t object_size;		/* bytes an object takes */
	uint32_t objects_per_slab, pages_per_slab;
};

struct slab_table {
	struct slab_row *rows;
	size_t count;
};

/*
 * Reads a file in the form of /proc/slabinfo, version 2.x. The caller frees the
 * table with slab_table_free(). 0, -EACCES (only root may), -EINVAL: of another
 * form (a line that makes no sense fails the whole), or -errno.
 */
int slab_table_read(const char *path, struct slab_table *out);
void slab_table_free(struct slab_table *t);

/* The row of that name, or NULL. */
const struct slab_row *slab_table_find(const struct slab_table *t, const char *name);

/* Bytes of the cache's slabs, and bytes in them that hold no object in use. */
uint64_t slab_row_bytes(const struct slab_row *r);
uint64_t slab_row_waste(const struct slab_row *r);

/* What sysfs knows of one cache. Values that it lacks are -1. */
struct slab_detail {
	long object_size, slab_size, order, align, objs_per_slab;
	long partial, cpu_slabs, min_partial, aliases, refs;
	long cpu_partial, slabs, objects, total_objects, objects_partial;
	long reclaim_account, hwcache_align, cache_dma, destroy_by_rcu, red_zone, poison,
		store_user;
	long sanity_checks, trace, usersize;
	char ctor[128];
};

/* Reads dir/NAME/...; 0, -ENOENT: no such cache there, or -errno. */
int slab_detail_read(const char *dir, const char *name, struct slab_detail *out);

#endif

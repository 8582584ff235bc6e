// SPDX-License-Identifier: MIT
/*
 * cachenames.h - which slab caches a user means, and what else they are called.
 *
 * Caches of equal layout are merged by the kernel and then go by the name of the
 * one that was made first; the other names are symbolic links in
 * /sys/kernel/slab (Documentation/ABI/testing/sysfs-kernel-slab).
 *
 * A pattern selects
 *  - the cache of exactly this name, or the one it was merged into;
 *  - with * ? [ in it, every cache with a name or alias that matches;
 *  - kmalloc-4096 where no cache is called so: the family of its size class,
 *    kmalloc-4k, kmalloc-cg-4k, kmalloc-rnd-07-4k, msg_msg-4k, ...
 */
#ifndef KAGENT_CACHENAMES_H
#define KAGENT_CACHENAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache_names;

/* Reads the aliases from a directory like /sys/kernel/slab; one that is missing means none. */
int cache_names_load(const char *sysfs_slab, struct cache_names **out);
void cache_names_free(struct cache_names *n);	/* NULL is allowed */

/*
 * The other names of a cache, separated by commas, "" if there are none. Owned
 * by the table.
 */
const char *cache_names_aliases(struct cache_names *n, const char *cache);

/* Does the pattern select this cache? object_size in bytes. */
bool cache_names_match(struct cache_names *n, const char *pattern, const char *cache,
		       uint32_t object_size);

/* "4k" or "4096" -> 4096; 0: no size class. */
uint32_t cache_size_class(const char *text);

#endif

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * leaky - a kernel module that leaks 100 objects by kmalloc(4096) and 50 of a
 * cache of its own, from two named functions. With fixed=1 it gives them back.
 */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/slab.h>

#define PAGES	100
#define ITEMS	50

static bool fixed;
module_param(fixed, bool, 0);
static char *name = "leaky items: a";
module_param(name, charp, 0);

static struct kmem_cache *cache;
static void *pages[PAGES], *items[ITEMS];

static noinline void leak_pages(void)
{
	int i;

	for (i = 0; i < PAGES; i++)
		pages[i] = kmalloc(4096, GFP_KERNEL);
	barrier();
}

static noinline void leak_items(void)
{
	int i;

	for (i = 0; i < ITEMS; i++)
		items[i] = kmem_cache_alloc(cache, GFP_KERNEL);
	barrier();
}

static void give_back(void)
{
	int i;

	for (i = 0; i < PAGES; i++)
		kfree(pages[i]);
	for (i = 0; i < ITEMS; i++)
		kmem_cache_free(cache, items[i]);
}

/* A constructor keeps the cache from being merged with another one. */
static void construct(void *item)
{
	memset(item, 0, 72);
}

static int __init leaky_init(void)
{
	cache = kmem_cache_create(name, 72, 0, 0, construct);
	if (!cache)
		return -ENOMEM;
	leak_pages();
	leak_items();
	if (fixed)
		give_back();
	return 0;
}

/* The objects stay behind, and the cache with them. */
static void __exit leaky_exit(void)
{
	if (fixed)
		kmem_cache_destroy(cache);
}

module_init(leaky_init);
module_exit(leaky_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("leaks on purpose");

// SPDX-License-Identifier: MIT
/* cachenames.c - patterns, size classes and sysfs aliases of slab caches. */
#include "kagent/cachenames.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A name in sysfs and the directory that stands for the cache itself. */
struct alias {
	char *name, *target;
	char *others;		/* made on demand */
};

struct cache_names {
	struct alias *list;
	size_t count;
};

static int add_alias(struct cache_names *n, const char *dir, const char *name)
{
	char path[512], target[256];
	struct alias *bigger;
	ssize_t len;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return 0;
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return 0;	/* the directory itself */
	target[len] = 0;
	bigger = realloc(n->list, (n->count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	n->list = bigger;
	bigger[n->count] = (struct alias) { strdup(name), strdup(target), NULL };
	n->count++;
	return bigger[n->count - 1].name && bigger[n->count - 1].target ? 0 : -ENOMEM;
}

int cache_names_load(const char *sysfs_slab, struct cache_names **out)
{
	struct cache_names *n = calloc(1, sizeof(*n));
	DIR *dir = n ? opendir(sysfs_slab) : NULL;
	struct dirent *d;
	int err = n ? 0 : -ENOMEM;

	while (!err && dir && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			err = add_alias(n, sysfs_slab, d->d_name);
	if (dir)
		closedir(dir);
	if (err) {
		cache_names_free(n);
		return err;
	}
	*out = n;
	return 0;
}

void cache_names_free(struct cache_names *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->count; i++) {
		free(n->list[i].name);
		free(n->list[i].target);
		free(n->list[i].others);
	}
	free(n->list);
	free(n);
}

static struct alias *find(struct cache_names *n, const char *name)
{
	for (size_t i = 0; i < n->count; i++)
		if (!strcmp(n->list[i].name, name))
			return &n->list[i];
	return NULL;
}

static bool same_cache(const struct alias *a, const struct alias *b)
{
	return a != b && !strcmp(a->target, b->target);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *join(char **names, size_t count)
{
	size_t len = 1, at = 0;
	char *text;

	for (size_t i = 0; i < count; i++)
		len += strlen(names[i]) + 1;
	text = malloc(len);
	if (!text)
		return NULL;
	text[0] = 0;
	for (size_t i = 0; i < count; i++)
		at += sprintf(text + at, "%s%s", i ? "," : "", names[i]);
	return text;
}

const char *cache_names_aliases(struct cache_names *n, const char *cache)
{
	struct alias *a = find(n, cache);
	char **names;
	size_t count = 0;

	if (!a)
		return "";
	if (a->others)
		return a->others;
	names = malloc(n->count * sizeof(*names));
	for (size_t i = 0; names && i < n->count; i++)
		if (same_cache(&n->list[i], a))
			names[count++] = n->list[i].name;
	if (names) {
		qsort(names, count, sizeof(*names), by_text);
		a->others = join(names, count);
	}
	free(names);
	return a->others ? a->others : "";
}

uint32_t cache_size_class(const char *text)
{
	char *end;
	unsigned long size;

	if (!isdigit((unsigned char)text[0]))
		return 0;
	size = strtoul(text, &end, 10);
	if (size > 1u << 20)
		return 0;
	if ((*end == 'k' || *end == 'K') && !end[1])
		return size * 1024;
	if (*end == 'M' && !end[1] && size <= 64)
		return size << 20;
	return *end ? 0 : size;
}

/* Pattern kmalloc-4096 (or kmalloc-8k where that doesn't exist): a whole size class. */
static bool family_match(const char *pattern, const char *cache, uint32_t object_size)
{
	const char *suffix = strrchr(cache, '-');
	uint32_t size;

	if (strncmp(pattern, "kmalloc-", 8) || !suffix)
		return false;
	size = cache_size_class(pattern + 8);
	return size && size == object_size && cache_size_class(suffix + 1) == size;
}

static bool exists(struct cache_names *n, const char *name)
{
	return find(n, name) != NULL;
}

bool cache_names_match(struct cache_names *n, const char *pattern, const char *cache,
		       uint32_t object_size)
{
	struct alias *a = find(n, cache);

	if (!strcmp(pattern, cache) || !fnmatch(pattern, cache, 0))
		return true;
	for (size_t i = 0; a && i < n->count; i++)
		if (same_cache(&n->list[i], a) && !fnmatch(pattern, n->list[i].name, 0))
			return true;
	return !exists(n, pattern) && family_match(pattern, cache, object_size);
}

// SPDX-License-Identifier: MIT
/*
 * import_slub.c - /sys/kernel/debug/slab/CACHE/alloc_traces (slub_debug=U):
 *
 *	     64 leak_one+0x24/0x60 [leaky] waste=640/10 age=12/340/1200 pid=812-815 cpus=0-1
 *	        kmem_cache_alloc+0x1f2/0x2a0
 *	        leak_one+0x24/0x60 [leaky]
 *
 * Ages in jiffies: the youngest, the mean, the oldest.
 */
#include "kagent/import.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t jiffies_ns(unsigned long long jiffies, unsigned hz)
{
	return jiffies < (1ull << 40) ? jiffies * (1000000000ull / hz) : 0;
}

struct group {
	struct import_site site;
	struct import_frame caller;
	bool has_stack, trimmed;
};

/* The caller's symbol ends where the first figure begins. */
static void take_caller(char *text, struct group *g)
{
	char *figures = strstr(text, " waste=");

	if (!figures)
		figures = strstr(text, " age=");
	if (figures)
		*figures = 0;
	if (!strncmp(text, "<not-available>", 15) || import_parse_symbol(text, &g->caller))
		return;
	g->site.frame[0] = g->caller;
	g->site.depth = 1;
}

static int begin_group(char *line, struct group *g, uint32_t object_size, unsigned hz)
{
	struct import_site *s = &g->site;
	unsigned long long low, mean;
	const char *age = strstr(line, " age="), *pid = strstr(line, " pid=");
	char *end;

	memset(g, 0, sizeof(*g));
	s->count = strtoull(line, &end, 10);
	if (end == line || *end != ' ')
		return -EINVAL;
	s->bytes = s->count * object_size;
	if (age) {
		if (sscanf(age, " age=%llu/%llu", &low, &mean) == 2)
			s->age_ns = jiffies_ns(mean, hz);
		else if (sscanf(age, " age=%llu", &low) == 1)
			s->age_ns = jiffies_ns(low, hz);
	}
	/* of several processes none is named */
	if (pid && pid[5 + strspn(pid + 5, "0123456789")] != '-')
		s->pid = strtoul(pid + 5, NULL, 10);
	take_caller(end + strspn(end, " "), g);
	return 0;
}

/* The stack names the caller again; what lies inside of it is the allocator. */
static void take_frame(const char *line, struct group *g)
{
	struct import_frame f;

	if (import_parse_symbol(line, &f))
		return;
	if (!g->has_stack)
		g->site.depth = 0;
	g->has_stack = true;
	if (!g->trimmed && !strcmp(f.name, g->caller.name) && f.offset == g->caller.offset) {
		g->site.depth = 0;
		g->trimmed = true;
	}
	if (g->site.depth < IMPORT_FRAMES)
		g->site.frame[g->site.depth++] = f;
}

int import_slub_traces(struct import *im, char *text, const char *cache, uint32_t object_size,
		       unsigned hz)
{
	struct group g = { .has_stack = false };
	char *next;
	int err = 0;

	for (; *text && !err; text = next) {
		size_t indent = strspn(text, " ");

		next = text + strcspn(text, "\n");
		if (*next)
			*next++ = 0;
		if (!text[indent])
			continue;
		if (indent >= 8 && g.site.count) {
			take_frame(text + indent, &g);
			continue;
		}
		err = import_add(im, &g.site);
		if (!err)
			err = begin_group(text + indent, &g, object_size, hz);
		snprintf(g.site.cache, sizeof(g.site.cache), "%.*s", (int)sizeof(g.site.cache) - 1,
			 cache);
	}
	return err ? err : import_add(im, &g.site);
}

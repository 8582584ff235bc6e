// SPDX-License-Identifier: MIT
/* groups.c - outstanding objects by process, by cache or by cgroup. */
#include "kagent/view.h"

#include "common/fmt.h"
#include "common/hash_index.h"
#include "kagent/procinfo.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A merged cache is split by the function that allocated. */
struct group_key {
	uint64_t id;		/* process: tgid; cgroup: its id; cache: index */
	uint64_t start;		/* process: start time */
	uint64_t caller;	/* merged cache: the innermost frame */
};

struct group {
	struct group_key key;
	uint64_t count, bytes, oldest_ns, youngest_ns;
	uint64_t unverified;
	uint32_t example;	/* its youngest object: names what the process is now */
};

struct groups {
	struct group *list;
	size_t count, room;
	struct hash_index index;
};

static struct group_key key_of(const struct capture *c, const struct capture_object *o,
			       enum view_by by)
{
	const struct capture_site *site;
	struct group_key k = { 0, 0, 0 };

	switch (by) {
	case VIEW_PROCESS:
		k.id = o->o.tgid;
		k.start = o->o.task_start;
		break;
	case VIEW_CGROUP:
		k.id = o->o.cgroup;
		break;
	default:
		k.id = o->cache;
		site = capture_cache(c, o->cache)->aliases[0] ? capture_find_site(c, o->o.site)
							      : NULL;
		if (site && site->s.depth)
			k.caller = site->s.ip[0];
	}
	return k;
}

static bool same_key(const void *owner, uint32_t index, const void *key)
{
	const struct groups *g = owner;

	return !memcmp(&g->list[index].key, key, sizeof(struct group_key));
}

static struct group *group_for(struct groups *g, const struct group_key *key)
{
	uint64_t hash = hash_bytes(key, sizeof(*key), 0);
	uint32_t i = hash_index_find(&g->index, hash, same_key, g, key);
	struct group *bigger;

	if (i != HASH_INDEX_NONE)
		return &g->list[i];
	if (g->count == g->room) {
		size_t room = g->room ? g->room * 2 : 64;

		bigger = realloc(g->list, room * sizeof(*bigger));
		if (!bigger)
			return NULL;
		g->list = bigger;
		g->room = room;
	}
	g->list[g->count] = (struct group) { .key = *key, .youngest_ns = UINT64_MAX };
	if (hash_index_add(&g->index, hash, g->count))
		return NULL;
	return &g->list[g->count++];
}

static int collect(const struct capture *c, const struct view_options *o, struct groups *g)
{
	uint64_t now = capture_snapshot_ns(c);

	for (size_t i = 0; i < capture_object_count(c); i++) {
		const struct capture_object *obj = capture_object(c, i);
		uint64_t age = now > obj->o.time ? now - obj->o.time : 0;
		struct group_key key = key_of(c, obj, o->by);
		struct group *group = age < o->older_ns ? NULL : group_for(g, &key);

		if (age < o->older_ns)
			continue;
		if (!group)
			return -ENOMEM;
		group->count++;
		group->bytes += obj->o.size;
		group->unverified += obj->verdict == KA_UNVERIFIED;
		if (age > group->oldest_ns)
			group->oldest_ns = age;
		if (age <= group->youngest_ns) {
			group->youngest_ns = age;
			group->example = i;
		}
	}
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->key.id < y->key.id ? -1 : x->key.id > y->key.id;
}

static void print_process(FILE *f, const struct capture_object *o)
{
	char comm[KA_COMM_LEN + 1] = "";

	memcpy(comm, o->o.comm, KA_COMM_LEN);
	fmt_name(f, comm, 0);
	fprintf(f, " pid %" PRIu32 "%s", o->o.tgid,
		process_exited(o->o.tgid, o->o.task_start) ? " (exited)" : "");
}

static void print_cache(FILE *f, const struct capture *c, const struct group *g)
{
	const struct capture_cache *k = capture_cache(c, g->key.id);
	struct symbol s;

	fmt_name(f, k->name, FMT_NAME_MAX);
	if (k->aliases[0]) {
		fputs(" (merged with ", f);
		fmt_name(f, k->aliases, 80);
		putc(')', f);
	}
	if (g->key.caller) {
		s = symbols_find(capture_symbols(c), g->key.caller);
		fputs(" allocated by ", f);
		fmt_name(f, s.name[0] ? s.name : "an unknown function", FMT_NAME_MAX);
		fputs(" [", f);
		fmt_name(f, s.module[0] ? s.module : "kernel", FMT_NAME_MAX);
		putc(']', f);
	}
}

static void print_cgroup(FILE *f, uint64_t id)
{
	char path[4096];

	cgroup_path(id, path, sizeof(path));
	fputs("cgroup ", f);
	if (path[0])
		fmt_name(f, path, 0);
	else
		fprintf(f, "%s%" PRIu64, id == 1 ? "/ id " : "id ", id);
}

static void print_group(FILE *f, const struct capture *c, const struct group *g,
			const struct view_options *o)
{
	uint64_t n = o->sample ? o->sample : 1;

	fprintf(f, "\t%s%" PRIu64 " bytes in %" PRIu64 " objects of ", o->sample ? "about " : "",
		g->bytes * n, g->count * n);
	if (o->by == VIEW_PROCESS)
		print_process(f, capture_object(c, g->example));
	else if (o->by == VIEW_CGROUP)
		print_cgroup(f, g->key.id);
	else
		print_cache(f, c, g);
	view_ages(f, g->youngest_ns, g->oldest_ns);
	if (g->unverified)
		fprintf(f, "; %" PRIu64 " unverified", g->unverified);
	putc('\n', f);
}

static void print_groups(FILE *f, const struct capture *c, const struct groups *g,
			 const struct view_options *o)
{
	static const char *const names[] = { "stacks", "processes", "caches", "cgroups" };
	size_t shown = o->top && g->count > o->top ? o->top : g->count;
	time_t now = time(NULL);
	char clock[16];

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&now));
	fprintf(f, "[%s] Top %zu %s with outstanding objects:\n", clock, shown, names[o->by]);
	for (size_t i = 0; i < shown; i++)
		print_group(f, c, &g->list[i], o);
}

int view_groups(FILE *f, const struct capture *c, const struct view_options *o)
{
	struct groups g = { .count = 0 };
	int err = collect(c, o, &g);

	if (!err) {
		if (g.count)
			qsort(g.list, g.count, sizeof(*g.list), by_bytes);
		print_groups(f, c, &g, o);
	}
	free(g.list);
	hash_index_free(&g.index);
	return err;
}

// SPDX-License-Identifier: MIT
/* scan_kernel.c - the session of a kernel capture into the tables of the report. */
#include "report/estimate.h"
#include "report/report_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct kscan {
	struct report *r;
	struct session *s;
	const struct session_header *header;
	struct frame_map *map;
	uint32_t own_process;	/* whose memory it is when no task is known */
	uint64_t now_ns;
	uint32_t *process_of;	/* per task */
	const char **cache_name;	/* per cache */
	uint32_t *site_of;	/* per stack: the site that its totals and points go to */
};

/* In site_of[]: several sites have this stack, so its totals are no single one's. */
#define SHARED_STACK (NO_SITE - 1)

static uint32_t process_of_task(struct kscan *scan, uint32_t task)
{
	const struct session_task *t = session_task(scan->s, task);

	if (!t)
		return scan->own_process;
	if (scan->process_of[task] == NO_SITE)
		scan->process_of[task] = report_task_process(scan->r, scan->s, t);
	return scan->process_of[task];
}

static enum report_kind kind_of(const struct session_krecord *k)
{
	static const enum report_kind kinds[] = {
		[KREC_SLAB] = KIND_SLAB, [KREC_LARGE] = KIND_LARGE, [KREC_PAGES] = KIND_PAGES,
		[KREC_PERCPU] = KIND_PERCPU,
	};

	return k->kind < sizeof(kinds) / sizeof(*kinds) ? kinds[k->kind] : KIND_SLAB;
}

static uint32_t site_for(struct kscan *scan, const struct session_krecord *k)
{
	uint32_t user = session_stack(scan->s, k->user_stack) ? k->user_stack : 0;
	uint32_t stack = frame_map_stack(scan->map, k->stack, user);
	const char *cache = session_cache(scan->s, k->cache) ? scan->cache_name[k->cache] : NULL;
	uint32_t site;

	if (stack == NO_SITE)
		return NO_SITE;
	site = report_site_id(scan->r, stack, kind_of(k), cache);
	if (scan->site_of[k->stack] == NO_SITE)
		scan->site_of[k->stack] = site;
	else if (scan->site_of[k->stack] != site)
		scan->site_of[k->stack] = SHARED_STACK;
	return site;
}

/* Phantoms, freed where no event tells of it, are counted beside what is live. */
static bool is_phantom(struct report *r, uint32_t site, const struct session_krecord *k, double p)
{
	uint8_t verdict = k->verdict <= VERDICT_UNVERIFIED ? k->verdict : VERDICT_UNVERIFIED;

	r->sites[site].verdicts[verdict]++;
	if (verdict != VERDICT_FREED && verdict != VERDICT_GONE)
		return false;
	estimate_add(&r->sites[site].freed_unseen, k->size, p);
	return true;
}

static int add_live(struct kscan *scan, const struct session_krecord *k, uint32_t site,
		    uint32_t process, uint64_t age_ns, double p)
{
	const struct session_task *t = session_task(scan->s, k->task);
	struct report_holding *h = report_holding(scan->r, site, process, t ? t->tid : 0);
	struct report_block block = {
		.addr = k->addr, .size = k->size, .site = site, .process = process,
		.age_ns = age_ns,
	};

	if (!h)
		return -ENOMEM;
	estimate_add(&h->live, k->size, p);
	if (age_ns > h->oldest_ns)
		h->oldest_ns = age_ns;
	report_add_age(&scan->r->sites[site], age_ns);
	return scan->r->options.blocks ? report_add_block(scan->r, &block) : 0;
}

static int add_krecord(void *arg, const struct session_krecord *k)
{
	struct kscan *scan = arg;
	const struct session_header *h = scan->header;
	uint64_t born = session_rel_ns(scan->s, k->tick);
	uint64_t age_ns = scan->now_ns > born ? scan->now_ns - born : 0;
	uint32_t process = process_of_task(scan, k->task), site = site_for(scan, k);
	uint32_t pid = scan->r->options.pid;
	double p;

	if (site == NO_SITE || process == NO_SITE)
		return -ENOMEM;
	if (session_task(scan->s, k->task))
		report_task_seen(scan->r, process, session_task(scan->s, k->task), born);
	if (!report_wants_block(scan->r, k->size, age_ns, h->older_ns) ||
	    (pid && scan->r->processes[process].pid != pid))
		return 0;
	p = estimate_probability(h->sampling, k->weight_mean < SESSION_MAX_MEANS ?
				 (double)h->sample_mean[k->weight_mean] : 0, k->size);
	if (is_phantom(scan->r, site, k, p))
		return 0;
	return add_live(scan, k, site, process, age_ns, p);
}

static int add_caches(struct kscan *scan, size_t input)
{
	uint64_t count = session_count(scan->s, SECT_CACHES);

	for (uint64_t i = 1; i < count; i++) {
		const struct session_cache *from = session_cache(scan->s, i);
		struct report_cache *list, c = {
			.name = strpool_add(scan->r->strings, session_string(scan->s, from->name)),
			.aliases = strpool_add(scan->r->strings,
					       session_string(scan->s, from->aliases)),
			.counts = *from, .session = (uint32_t)input,
		};

		list = array_grow(scan->r->caches, scan->r->cache_count, &scan->r->cache_room,
				  sizeof(*list));
		if (!list || !c.name || !c.aliases)
			return -ENOMEM;
		scan->r->caches = list;
		list[scan->r->cache_count++] = c;
		scan->cache_name[i] = c.name;
	}
	return 0;
}

static int begin(struct kscan *scan)
{
	uint64_t stacks = session_count(scan->s, SECT_STACKS) + 1;
	uint64_t tasks = session_count(scan->s, SECT_TASKS) + 1;

	scan->map = frame_map_new(scan->r, scan->s);
	scan->process_of = malloc(tasks * sizeof(*scan->process_of));
	scan->cache_name = calloc(session_count(scan->s, SECT_CACHES) + 1,
				  sizeof(*scan->cache_name));
	scan->site_of = malloc(stacks * sizeof(*scan->site_of));
	if (!scan->map || !scan->process_of || !scan->cache_name || !scan->site_of)
		return -ENOMEM;
	memset(scan->process_of, 0xff, tasks * sizeof(*scan->process_of));
	memset(scan->site_of, 0xff, stacks * sizeof(*scan->site_of));
	return 0;
}

/* What has no slab cache has an entry under these names all the same. */
static enum report_kind kind_of_cache(const char *name)
{
	static const struct {
		const char *name;
		enum report_kind kind;
	} others[] = {
		{ "kmalloc-large", KIND_LARGE }, { "pages", KIND_PAGES }, { "percpu", KIND_PERCPU },
	};

	for (size_t i = 0; name && i < sizeof(others) / sizeof(*others); i++)
		if (!strcmp(others[i].name, name))
			return others[i].kind;
	return KIND_SLAB;
}

/* Where the totals of a stack go that no live object has, or that several sites share. */
static int add_site(void *arg, const struct session_site *site)
{
	struct kscan *scan = arg;
	uint32_t *own = &scan->site_of[site->stack], stack;
	const char *cache;

	if (*own != NO_SITE && *own != SHARED_STACK)
		return 0;
	stack = frame_map_stack(scan->map, site->stack, 0);
	if (stack == NO_SITE)
		return -ENOMEM;
	cache = session_cache(scan->s, site->thread_slot) ? scan->cache_name[site->thread_slot] :
							    NULL;
	*own = report_site_id(scan->r, stack, kind_of_cache(cache), cache);
	return *own == NO_SITE ? -ENOMEM : 0;
}

/* Nobody's in particular, because totals name no task. */
static int add_combined(void *arg, const struct session_site *site)
{
	struct kscan *scan = arg;
	uint32_t pid = scan->r->options.pid;
	int err = add_site(arg, site);
	struct report_holding *h = err ? NULL : report_holding(scan->r, scan->site_of[site->stack],
								scan->own_process, 0);

	if (!h)
		return -ENOMEM;
	if (pid && scan->r->processes[scan->own_process].pid != pid)
		return 0;
	report_add_combined(&h->live, site, scan->header->sampling != SAMPLE_ALL);
	return 0;
}

/* What points refer to though no site of the session has it: a stack that is shared. */
static void drop_shared(struct kscan *scan)
{
	uint64_t stacks = session_count(scan->s, SECT_STACKS);

	for (uint64_t i = 0; i < stacks; i++)
		if (scan->site_of[i] == SHARED_STACK)
			scan->site_of[i] = NO_SITE;
}

int report_scan_kernel(struct report *r, struct session *s, size_t input)
{
	struct kscan scan = {
		.r = r, .s = s, .header = session_header(s), .now_ns = session_last_ns(s),
		.own_process = r->sessions[input].process,
	};
	bool combined = r->options.combined || scan.header->features & SESSION_F_TOTALS;
	int err = begin(&scan);

	if (!err)
		err = add_caches(&scan, input);
	if (!err && !combined)
		err = session_each_krecord(s, add_krecord, &scan);
	if (!err)
		err = session_each_site(s, combined ? add_combined : add_site, &scan);
	if (!err && !r->options.pid) {	/* totals name no task: of one process they say nothing */
		drop_shared(&scan);
		err = report_scan_totals(r, s, input, scan.site_of);
	}
	frame_map_free(scan.map);
	free(scan.process_of);
	free(scan.cache_name);
	free(scan.site_of);
	return err;
}

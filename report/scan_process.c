// SPDX-License-Identifier: MIT
/* scan_process.c - the session of a process into the tables of the report. */
#include "report/estimate.h"
#include "report/report_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct scan {
	struct report *r;
	struct session *s;
	const struct session_header *header;
	struct frame_map *map;
	size_t input;
	uint32_t process;
	bool parent_present;
	uint64_t now_ns;
	/* Per stack of the session: its site, and the kind that this site has. */
	uint32_t *site_of;
	uint8_t *kind_of;
};

static uint32_t site_for(struct scan *scan, uint32_t stack, enum report_kind kind)
{
	uint32_t id, site;

	if (scan->site_of[stack] != NO_SITE && scan->kind_of[stack] == kind)
		return scan->site_of[stack];
	id = frame_map_stack(scan->map, stack, 0);
	if (id == NO_SITE)
		return NO_SITE;
	site = report_site_id(scan->r, id, kind, NULL);
	if (scan->site_of[stack] == NO_SITE) {
		scan->site_of[stack] = site;
		scan->kind_of[stack] = (uint8_t)kind;
	}
	return site;
}

static uint32_t thread_id(const struct session *s, uint32_t index)
{
	const struct session_thread *t = index == REC_THREAD_OTHER ? NULL :
					 session_thread(s, index);

	return t ? t->tid : 0;
}

static enum report_kind kind_of_block(const struct session_block *b)
{
	return b->kind == REC_MMAP ? KIND_MMAP : b->kind == REC_NEW ? KIND_NEW : KIND_HEAP;
}

static int keep_block(struct scan *scan, const struct session_block *b, uint32_t site,
		      uint64_t age_ns)
{
	struct report_block block = {
		.addr = b->addr, .size = b->size, .site = site, .process = scan->process,
		.age_ns = age_ns,
	};

	return scan->r->options.blocks ? report_add_block(scan->r, &block) : 0;
}

static int add_block(void *arg, const struct session_block *b)
{
	struct scan *scan = arg;
	uint64_t born = session_rel_ns(scan->s, b->tick);
	uint64_t age_ns = scan->now_ns > born ? scan->now_ns - born : 0;
	struct report_holding *h;
	uint32_t site = site_for(scan, b->stack, kind_of_block(b));
	double p;

	if (site == NO_SITE)
		return -ENOMEM;
	if (!report_wants_block(scan->r, b->size, age_ns, scan->header->older_ns))
		return 0;
	h = report_holding(scan->r, site, scan->process, thread_id(scan->s, b->thread));
	if (!h)
		return -ENOMEM;
	p = estimate_probability(scan->header->sampling, (double)scan->header->sample_mean[b->mean],
				 b->size);
	if (b->inherited)
		estimate_add(&h->inherited, b->size, p);
	if (b->inherited && scan->parent_present)
		return 0;
	estimate_add(&h->live, b->size, p);
	if (age_ns > h->oldest_ns)
		h->oldest_ns = age_ns;
	report_add_age(&scan->r->sites[site], age_ns);
	return keep_block(scan, b, site, age_ns);
}

/* Stacks without a live block have a site too: their totals tell what is normal. */
static int add_site(void *arg, const struct session_site *site)
{
	struct scan *scan = arg;

	if (scan->site_of[site->stack] == NO_SITE &&
	    site_for(scan, site->stack, KIND_HEAP) == NO_SITE)
		return -ENOMEM;
	return 0;
}

/* --combined: what is outstanding by the totals. */
static int add_combined(void *arg, const struct session_site *site)
{
	struct scan *scan = arg;
	struct report_holding *h;
	uint32_t index;

	index = site_for(scan, site->stack, scan->site_of[site->stack] == NO_SITE ? KIND_HEAP :
			 (enum report_kind)scan->kind_of[site->stack]);
	h = index == NO_SITE ? NULL : report_holding(scan->r, index, scan->process, 0);
	if (!h)
		return -ENOMEM;
	report_add_combined(&h->live, site, scan->header->sampling != SAMPLE_ALL);
	return 0;
}

static int begin(struct scan *scan)
{
	uint64_t stacks = session_count(scan->s, SECT_STACKS) + 1;

	scan->map = frame_map_new(scan->r, scan->s);
	scan->site_of = malloc(stacks * sizeof(*scan->site_of));
	scan->kind_of = malloc(stacks);
	if (!scan->map || !scan->site_of || !scan->kind_of)
		return -ENOMEM;
	memset(scan->site_of, 0xff, stacks * sizeof(*scan->site_of));
	memset(scan->kind_of, 0xff, stacks);
	return 0;
}

int report_scan_process(struct report *r, struct session *s, size_t input)
{
	struct scan scan = {
		.r = r, .s = s, .header = session_header(s), .input = input,
		.process = r->sessions[input].process, .now_ns = session_last_ns(s),
	};
	int err = begin(&scan);

	scan.parent_present = r->processes[scan.process].parent_present;
	if (!err && !r->options.combined)
		err = session_each_block(s, add_block, &scan);
	if (!err)
		err = session_each_site(s, r->options.combined ? add_combined : add_site, &scan);
	if (!err)
		err = report_scan_totals(r, s, input, scan.site_of);
	frame_map_free(scan.map);
	free(scan.site_of);
	free(scan.kind_of);
	return err;
}

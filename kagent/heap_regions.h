// SPDX-License-Identifier: MIT
/*
 * heap_regions.h - what a process has mapped with mmap(2): ranges of addresses, which may
 * be cut and split; a part keeps the stack and time of the whole. Reserved addresses are
 * allocated by who makes them accessible. One thread at a time.
 */
#ifndef KAGENT_HEAP_REGIONS_H
#define KAGENT_HEAP_REGIONS_H

#include "kagent/uprobe_events.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_region {
	uint64_t start, end, time, site;
	uint32_t tid;
	bool inherited;		/* over fork: in no total */
	bool reserved;		/* mapped without access: not allocated, in no total */
};

/* Of the regions of one site. */
struct region_totals {
	uint64_t site;
	struct site_totals t;
};

/* All zero: none. */
struct heap_regions {
	struct heap_region *list;	/* ascending */
	size_t count, room;
	struct region_totals *totals;
	size_t total_count, total_room;
};

/* 0 or -ENOMEM. */
int heap_regions_apply(struct heap_regions *r, const struct ku_region *e);

/* A forked child's are its parent's. 0 or -ENOMEM. */
int heap_regions_inherit(struct heap_regions *child, const struct heap_regions *parent);

/* NULL: the site has had no region. */
const struct site_totals *heap_regions_totals(const struct heap_regions *r, uint64_t site);

void heap_regions_free(struct heap_regions *r);

#endif

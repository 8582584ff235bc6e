// SPDX-License-Identifier: MIT
/* view.h - what kagent prints about a snapshot. For the command program. */
#ifndef KAGENT_VIEW_H
#define KAGENT_VIEW_H

#include "kagent/capture.h"
#include "report/report.h"

#include <stdio.h>

enum view_by { VIEW_STACK, VIEW_PROCESS, VIEW_CACHE, VIEW_CGROUP };

struct view_options {
	enum view_by by;
	size_t top;
	bool show_allocs;
	bool colour, wide;
	uint64_t older_ns;
	uint32_t sample;	/* 1 in N, 0: all */
	bool some_caches, some_tasks;	/* only these were asked for */
};

/* Stanzas by stack, from the report over the snapshot's session. */
void view_stacks(FILE *f, const struct capture *c, const struct report *r,
		 const struct view_options *o);

/* The same objects by process, cache or cgroup. 0 or -errno. */
int view_groups(FILE *f, const struct capture *c, const struct view_options *o);

/* "; age A to B"; nothing when there is none (youngest > oldest). */
void view_ages(FILE *f, uint64_t youngest_ns, uint64_t oldest_ns);

/* Tracked growth of each cache against what slabinfo says it grew. */
void view_coverage(FILE *f, const struct capture *c, const struct view_options *o);

#endif

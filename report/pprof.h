// SPDX-License-Identifier: MIT
/*
 * pprof.h - the report as a gzipped profile.proto, for `go tool pprof`, Parca and Pyroscope.
 *
 * Values as in Go's heap profiles: alloc_objects, alloc_space, inuse_objects,
 * inuse_space; labels pid, comm, domain, kind and cache. A site's totals of all
 * allocations are not known per process: where several processes hold memory
 * at a site they are a sample of their own, without pid.
 * Ids of mappings, functions and locations count up from 1 in the order of their
 * tables: Parca insists on it.
 * Source: https://github.com/google/pprof/blob/main/proto/profile.proto
 */
#ifndef REPORT_PPROF_H
#define REPORT_PPROF_H

#include "report/report.h"

#include <stdio.h>

/* What a viewer shows at first; all values are there in any case. */
enum pprof_default {
	PPROF_OUTSTANDING,	/* as /debug/pprof/heap of a Go program */
	PPROF_ALLOCATED,	/* as its /debug/pprof/allocs */
};

struct pprof_options {
	enum pprof_default type;
	/*
	 * 0: as many samples as there are; else at most so many, of which the last one sums up
	 * what is at the further sites, in a function "(further stacks)".
	 */
	size_t samples_max;
};

/* 0, -ENOMEM, or -EIO when f failed. */
int pprof_write(FILE *f, const struct report *r, const struct pprof_options *options);

#endif

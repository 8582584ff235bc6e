// SPDX-License-Identifier: MIT
/*
 * pprof.h - the report as a gzipped profile.proto, for `go tool pprof`, Parca and Pyroscope.
 *
 * Values as in Go's heap profiles: alloc_objects, alloc_space, inuse_objects,
 * inuse_space; labels pid, comm, domain, kind and cache. A site's totals of all
 * allocations are not known per process: where several processes hold memory
 * at a site they are a sample of their own, without pid.
 * Source: https://github.com/google/pprof/blob/main/proto/profile.proto
 */
#ifndef REPORT_PPROF_H
#define REPORT_PPROF_H

#include "report/report.h"

#include <stdio.h>

/* 0, -ENOMEM, or -EIO when f failed. */
int pprof_write(FILE *f, const struct report *r);

#endif

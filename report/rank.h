// SPDX-License-Identifier: MIT
/* rank.h - what a site's history says about the blocks that it still holds. */
#ifndef REPORT_RANK_H
#define REPORT_RANK_H

#include "report/report.h"

#include <stdint.h>

/* Blocks freed at the site whose lifetime is known. */
uint64_t site_freed(const struct report_site *site);

/*
 * The lifetime that the given part (0..1) of the freed blocks didn't reach: the
 * upper end of a bucket, so up to twice the true one. 0: nothing was freed.
 */
uint64_t site_lifetime_ns(const struct report_site *site, double part);

/* The lower end of bucket b of report_site.ages, and of .lifetimes. */
uint64_t age_bucket_ns(int b);
uint64_t lifetime_bucket_ns(int b);

/*
 * Bytes that look leaked: those of blocks older than nearly all (99 %) that were ever
 * freed at the site, or all of them where too few (< 10) were freed to tell; plus
 * what the site grows by in an hour. Used to rank by suspicion.
 */
double site_suspicion(const struct report_site *site);

#endif

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * site_totals.h - what one stack has allocated and freed, counted by the BPF programs.
 *
 * Included by BPF code and by user-space code; uses only fixed-size types.
 */
#ifndef KAGENT_SITE_TOTALS_H
#define KAGENT_SITE_TOTALS_H

#include <linux/types.h>

#define TOTALS_LIFETIMES 40	/* == SESSION_LIFETIMES */

/* Of recorded events. Counters are independent words: one event is not seen at once. */
struct site_totals {
	__u64 allocs, alloc_bytes;
	__u64 frees, free_bytes;
	__s64 live_bytes, peak_bytes;
	__u32 lifetimes[TOTALS_LIFETIMES];	/* of freed ones, by log2 */
};

#endif

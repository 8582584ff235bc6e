// SPDX-License-Identifier: GPL-2.0 OR MIT
/* site_totals.bpf.h - counts an allocation or a free at its site (BPF code). */
#ifndef KAGENT_SITE_TOTALS_BPF_H
#define KAGENT_SITE_TOTALS_BPF_H

#include "numbers.bpf.h"
#include "site_totals.h"

static __always_inline void totals_alloc(struct site_totals *t, __u64 size)
{
	__s64 live_bytes;

	__sync_fetch_and_add(&t->allocs, 1);
	__sync_fetch_and_add(&t->alloc_bytes, size);
	live_bytes = __sync_fetch_and_add(&t->live_bytes, size) + size;
	if (live_bytes > t->peak_bytes)
		t->peak_bytes = live_bytes;
}

/* The allocation never was at this site. */
static __always_inline void totals_unalloc(struct site_totals *t, __u64 size)
{
	__sync_fetch_and_add(&t->allocs, -1ull);
	__sync_fetch_and_add(&t->alloc_bytes, -size);
	__sync_fetch_and_add(&t->live_bytes, -(__s64)size);
}

/* ticks: how long it lived. */
static __always_inline void totals_free(struct site_totals *t, __u64 size, __u64 ticks)
{
	__u32 bucket = log2_bucket(ticks, TOTALS_LIFETIMES);

	__sync_fetch_and_add(&t->frees, 1);
	__sync_fetch_and_add(&t->free_bytes, size);
	__sync_fetch_and_add(&t->live_bytes, -(__s64)size);
	if (bucket < TOTALS_LIFETIMES)
		__sync_fetch_and_add(&t->lifetimes[bucket], 1);
}

#endif

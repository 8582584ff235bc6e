// SPDX-License-Identifier: MIT
/* totals_out.c - see totals_out.h. */
#include "kagent/totals_out.h"

#include <string.h>

static_assert(TOTALS_LIFETIMES == SESSION_LIFETIMES, "format");

void totals_out(const struct site_totals *from, struct session_site *to)
{
	to->alloc_count = from->allocs;
	to->alloc_bytes = from->alloc_bytes;
	to->free_count = from->frees;
	to->free_bytes = from->free_bytes;
	memcpy(to->lifetimes, from->lifetimes, sizeof(to->lifetimes));
}

void totals_weigh(struct session_site *site, uint64_t weight)
{
	site->w_alloc_count = (double)site->alloc_count * (double)weight;
	site->w_alloc_bytes = (double)site->alloc_bytes * (double)weight;
	site->w_free_count = (double)site->free_count * (double)weight;
	site->w_free_bytes = (double)site->free_bytes * (double)weight;
}

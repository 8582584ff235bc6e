// SPDX-License-Identifier: MIT
/* rank.c - what a site's history says about the blocks that it still holds. */
#include "report/rank.h"

#define ENOUGH_FREED 10u

uint64_t age_bucket_ns(int b)
{
	return b ? 1000000ull << (b - 1) : 0;
}

uint64_t lifetime_bucket_ns(int b)
{
	return b ? 1000ull << (b - 1) : 0;
}

uint64_t site_freed(const struct report_site *site)
{
	uint64_t sum = 0;

	for (int b = 0; b < REPORT_LIFETIMES; b++)
		sum += site->lifetimes[b];
	return sum;
}

uint64_t site_lifetime_ns(const struct report_site *site, double part)
{
	uint64_t freed = site_freed(site), sum = 0;

	if (!freed)
		return 0;
	for (int b = 0; b < REPORT_LIFETIMES; b++) {
		sum += site->lifetimes[b];
		if ((double)sum >= part * (double)freed)
			return lifetime_bucket_ns(b + 1);
	}
	return lifetime_bucket_ns(REPORT_LIFETIMES);
}

double site_suspicion(const struct report_site *site)
{
	uint64_t usual = site_freed(site) >= ENOUGH_FREED ? site_lifetime_ns(site, 0.99) : 0;
	uint64_t old = 0, all = 0;
	double growth = site->growth > 0 ? site->growth * 60 : 0;

	for (int b = 0; b < REPORT_AGES; b++) {
		all += site->ages[b];
		if (age_bucket_ns(b) >= usual)
			old += site->ages[b];
	}
	return growth + (all ? site->live.est_bytes * (double)old / (double)all :
			       site->live.est_bytes);
}

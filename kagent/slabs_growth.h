// SPDX-License-Identifier: MIT
/* slabs_growth.h - slab caches over time: growth rates and a log. */
#ifndef KAGENT_SLABS_GROWTH_H
#define KAGENT_SLABS_GROWTH_H

#include <stddef.h>
#include <stdint.h>

struct slabs_series {
	uint64_t interval_ns, duration_ns;	/* duration 0: until stopped */
	const char *pattern;			/* glob; NULL: all */
	const char *log;			/* CSV file; NULL: none */
	int growth;				/* print the growth at the end */
	size_t rows;
};

/* Samples /proc/slabinfo until the end. An exit code. */
int slabs_series_run(const struct slabs_series *s);

/*
 * Is growth steady? Of the steps between samples, at least four fifths (and four
 * of them) must rise or stay, the sum must rise, and no half may be without growth.
 */
int slabs_is_steady(const uint64_t *active, size_t count);

#endif

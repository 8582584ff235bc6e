// SPDX-License-Identifier: MIT
/*
 * diff.h - what grew, came and went between two reports. Sites are matched by
 * fingerprint, so that another run, host or build of a program can be compared;
 * sites that share one are compared as their sum.
 */
#ifndef REPORT_DIFF_H
#define REPORT_DIFF_H

#include "report/report.h"
#include "report/text.h"

#include <stddef.h>
#include <stdio.h>

struct diff;

struct diff_entry {
	uint64_t fingerprint;
	const struct report *report;	/* where `site` belongs: the new one if it has it */
	const struct report_site *site;	/* one with this fingerprint: the largest */
	struct figure before, after;
	double bytes, count;		/* after - before */
};

/* Both reports are built and outlive the diff. NULL: no memory. */
struct diff *diff_new(const struct report *before, const struct report *after);
void diff_free(struct diff *d);		/* NULL is allowed */

/* Entries that differ, largest growth first. NULL behind the last. */
const struct diff_entry *diff_entry(const struct diff *d, size_t i);

/* The bytes by which all entries that grew did so: what shrank elsewhere doesn't make up for it. */
double diff_growth(const struct diff *d);

/* The first `top` entries only, 0: all. Sums are of all. */
void diff_print_text(FILE *f, const struct diff *d, const struct text_options *o, size_t top);
void diff_print_json(FILE *f, const struct diff *d, size_t top);

#endif

// SPDX-License-Identifier: MIT
/*
 * baseline.h - the sites that are known to hold memory, so that a check fails only on
 * new ones. The file has a line per fingerprint: 16 hexadecimal digits, then words
 * for people (bytes and the innermost functions when it was written); '#' comments.
 */
#ifndef REPORT_BASELINE_H
#define REPORT_BASELINE_H

#include "report/report.h"

#include <stdbool.h>
#include <stdio.h>

struct baseline;

/*
 * 0, -ENOENT: there is none yet, -EINVAL: line *line is none of a baseline, or another
 * error of reading. Outputs untouched on failure, but *line.
 */
int baseline_load(const char *path, struct baseline **out, unsigned int *line);
void baseline_free(struct baseline *b);		/* NULL is allowed */

bool baseline_has(const struct baseline *b, uint64_t fingerprint);

/* Prints the baseline of a report: all sites with something outstanding. */
void baseline_print(FILE *f, const struct report *r);

#endif

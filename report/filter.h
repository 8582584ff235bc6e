// SPDX-License-Identifier: MIT
/*
 * filter.h - which sites a report is about: regular expressions, and suppressions
 * as LeakSanitizer reads them ("leak:PATTERN" per line, '#' comments; * stands
 * for anything, ^ and $ for the ends; else anywhere in a function, file or module).
 * Source: https://github.com/google/sanitizers/wiki/AddressSanitizerLeakSanitizer#suppressions
 *
 * Not thread-safe.
 */
#ifndef REPORT_FILTER_H
#define REPORT_FILTER_H

#include "report/report.h"

#include <stddef.h>
#include <stdint.h>

/* POSIX extended regular expressions; a list matches when one of them does. */
struct regex_list *regex_list_new(void);	/* NULL: no memory */
void regex_list_free(struct regex_list *list);	/* NULL is allowed */

/* 0, -ENOMEM or -EINVAL; then *why says what is wrong with it (caller frees). */
int regex_list_add(struct regex_list *list, const char *pattern, char **why);

/*
 * Reads a suppression file. 0, -ENOMEM, errors of open(2), or -EINVAL for a line
 * that is none, whose number goes to *line. Outputs untouched on failure, but *line.
 */
int suppressions_load(const char *path, struct suppressions **out, unsigned int *line);
void suppressions_free(struct suppressions *s);	/* NULL is allowed */

struct suppression {
	const char *pattern;
	uint64_t sites;			/* matched by the reports so far */
	struct figure live;
};

/* NULL behind the last. */
const struct suppression *suppression_get(const struct suppressions *s, size_t i);

#endif

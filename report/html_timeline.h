// SPDX-License-Identifier: MIT
/*
 * html_timeline.h - outstanding memory over time for the HTML report: one series
 * for each process and kind of memory, and one for each of the largest sites.
 */
#ifndef REPORT_HTML_TIMELINE_H
#define REPORT_HTML_TIMELINE_H

#include "report/report.h"

#include <stdint.h>
#include <stdio.h>

struct html_timeline;

/* Sums the points of all sites that the report shows. 0 or -ENOMEM. */
int html_timeline_new(const struct report *r, struct html_timeline **out);
void html_timeline_free(struct html_timeline *t);	/* NULL is allowed */

/*
 * Member "timeline" of a JSON object: {times: [ms since the epoch], series:
 * [[process, kind, [time index, count, bytes, ...]]]}.
 */
void html_timeline_write(FILE *out, const struct html_timeline *t);

/*
 * The points of one site, [[process, [time index, count, bytes, ...]]], with the
 * name of the member before it; nothing when it has none, or when more points
 * were written than a page should hold.
 */
void html_timeline_write_site(FILE *out, struct html_timeline *t, const struct report_site *site);

#endif

// SPDX-License-Identifier: MIT
/*
 * html.h - the report as one HTML page that needs nothing but itself: the viewer
 * (report/viewer) with the report's data in it. The page runs no code but its
 * own and connects to nothing (Content-Security-Policy), except that a live page
 * asks the server that it came from for its next state.
 */
#ifndef REPORT_HTML_H
#define REPORT_HTML_H

#include "report/report.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct html_options {
	uint64_t realtime_ns;	/* when the report was made; 0: now */
	double refresh_s;	/* live: the page fetches itself anew this often; 0: a file */
};

/* Has this build got the viewer? Without node and npm it is built without. */
bool html_is_built(void);

/*
 * Writes the page. NULL: default options. 0 or -errno: -ENOTSUP: built without
 * the viewer, nothing is written; -ENOMEM; -EIO: the stream has failed.
 */
int html_write(FILE *out, const struct report *r, const struct html_options *o);

#endif

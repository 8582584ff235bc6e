// SPDX-License-Identifier: MIT
/* json_private.h - what the parts of the JSON report share; see docs/json.md. */
#ifndef REPORT_JSON_PRIVATE_H
#define REPORT_JSON_PRIVATE_H

#include "report/json_writer.h"
#include "report/report.h"

/* Where the frames of each location of the symbolizer are in the table of frames. */
struct frame_numbers {
	uint32_t *first;	/* by location: index + 1; 0: not in the table; for free() */
	uint32_t count;
};

/* Recorded count and bytes; est_* and bounds only where they are estimates. */
void json_figure(struct json *j, const char *key, const struct figure *f);

/* Prints the frames of all sites, each once, and fills *n. 0 or -ENOMEM. */
int json_print_frames(struct json *j, const struct report *r, struct frame_numbers *n);

void json_print_site(struct json *j, const struct report *r, const struct report_site *site,
		     const struct frame_numbers *n);

#endif

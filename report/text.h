// SPDX-License-Identifier: MIT
/*
 * text.h - reports for a terminal, in the shape of bcc's memleak:
 *
 *	[11:16:33] Top 2 stacks with outstanding allocations:
 *		addr = 948cd0 size = 16
 *		80 bytes in 5 allocations from stack
 *			leaky+0x1d [allocs] allocs.c:12
 *
 * Names are escaped (see fmt.h). The order of lines is the same for equal input.
 */
#ifndef REPORT_TEXT_H
#define REPORT_TEXT_H

#include "report/report.h"

#include <stdbool.h>
#include <stdio.h>

struct text_options {
	bool show_allocs;	/* each block; needs report_options.blocks */
	bool wide;		/* whole names and paths, else cut to fit about 80 columns */
	bool details;		/* what the ages and freed lifetimes of a site say */
	bool colour;
	size_t top;		/* stacks printed; 0: all that the report has */
	const char *time;	/* for "[...]", NULL: the time of day */
};

/* The heading and the stacks: the block that bcc prints each interval. */
void text_print_stacks(FILE *f, const struct report *r, const struct text_options *o);

/* One stack's frames, a line each. `indent` goes before each. */
void text_print_frames(FILE *f, const struct report *r, const struct report_site *site,
		       const struct text_options *o, const char *indent);

/* What is outstanding at stacks that text_print_stacks() left out; nothing when it is all there. */
void text_print_hidden(FILE *f, const struct report *r, const struct text_options *o);

/* Outstanding memory by kind, and of each process. */
void text_print_totals(FILE *f, const struct report *r, const struct text_options *o);

/* Losses by cause, damaged sessions, modules without symbols; nothing when all is well. */
void text_print_losses(FILE *f, const struct report *r);

/*
 * Slab caches that grew by more objects than were tracked: objects that come in
 * bulk emit no event. Nothing without kernel sessions.
 */
void text_print_coverage(FILE *f, const struct report *r);

/* What libleak.so shows when its process ends: a line that names it, stacks, total, losses. */
void text_print_exit(FILE *f, const struct report *r, const struct text_options *o);

#endif

// SPDX-License-Identifier: MIT
/*
 * html_tables.h - what the sites of a report share, each written once: strings,
 * frames, and stacks as a tree, in which a stack is one node that knows its
 * caller's. Fifty thousand stacks are a few megabytes so.
 *
 * The calls that add return an index; without memory 0, and html_tables_failed()
 * is true from then on. Index 0 is "" among strings, and "none" among nodes.
 */
#ifndef REPORT_HTML_TABLES_H
#define REPORT_HTML_TABLES_H

#include "report/report.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct html_tables;

struct html_tables *html_tables_new(const struct symbolizer *sym);	/* NULL: no memory */
void html_tables_free(struct html_tables *t);	/* NULL is allowed */
bool html_tables_failed(const struct html_tables *t);

/* s must live as long as the tables. NULL is "". */
uint32_t html_tables_string(struct html_tables *t, const char *s);

/* The node of a site's whole stack, inlined functions as frames of their own. */
uint32_t html_tables_stack(struct html_tables *t, const struct report_site *site);

/* Members "nodes", "frames" and "strings" of a JSON object. */
void html_tables_write(FILE *out, const struct html_tables *t);

#endif

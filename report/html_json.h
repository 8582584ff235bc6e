// SPDX-License-Identifier: MIT
/*
 * html_json.h - parts of the JSON that stands in the HTML page. Strings come from
 * sessions and are hostile: they are escaped as json_writer.h says, so that none can
 * end the <script> element, and those longer than HTML_STRING_MAX bytes are cut.
 *
 * Errors are the stream's: callers look at ferror() in the end.
 */
#ifndef REPORT_HTML_JSON_H
#define REPORT_HTML_JSON_H

#include "report/report.h"

#include <stdio.h>

#define HTML_STRING_MAX 16384u

void html_json_string(FILE *out, const char *s);	/* quoted; NULL is "" */

/* "," before each item but the first: false at the beginning. */
void html_json_comma(FILE *out, bool *more);

/* A number; what JSON can't express (NaN, infinity) is 0. */
void html_json_number(FILE *out, double value);

/* [count, bytes], of an estimate [count, bytes, +-count, +-bytes] with its 95 % bounds. */
void html_json_figure(FILE *out, const struct figure *f);

#endif

// SPDX-License-Identifier: MIT
/*
 * html_json.h - JSON that can stand in a <script> element of an HTML page.
 *
 * Strings come from sessions and are hostile: besides what JSON wants escaped
 * (RFC 8259), < > & and the line separators U+2028 and U+2029 are, so that no
 * text can end the element or begin a comment in it (HTML Living Standard
 * 4.12.1.3, restrictions for contents of script elements). Bytes that are no
 * UTF-8 become U+FFFD. Strings longer than HTML_STRING_MAX bytes are cut, and
 * say by how much.
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

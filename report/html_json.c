// SPDX-License-Identifier: MIT
/* html_json.c - JSON that can stand in a <script> element of an HTML page. */
#include "report/html_json.h"

#include "common/fmt.h"

#include <math.h>
#include <string.h>

/* How many bytes from s on need no escape: printable ASCII without the special ones. */
static size_t plain_run(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] >= ' ' && s[n] < 0x7f && !strchr("\"\\<>&", s[n]))
		n++;
	return n;
}

static void put_code(FILE *out, uint32_t code)
{
	if (code > 0xffff) {
		code -= 0x10000;
		fprintf(out, "\\u%04x\\u%04x", 0xd800u | code >> 10, 0xdc00u | (code & 0x3ff));
	} else {
		fprintf(out, "\\u%04x", code);
	}
}

/* One character that is no plain one; its length. */
static size_t put_special(FILE *out, const char *s)
{
	uint32_t code;
	size_t len = fmt_utf8(s, &code);

	if (!len)
		put_code(out, 0xfffd);
	else if (code < 0xa0 || code == 0x2028 || code == 0x2029)
		put_code(out, code);
	else
		fwrite(s, 1, len, out);
	return len ? len : 1;
}

void html_json_string(FILE *out, const char *s)
{
	size_t len = s ? strlen(s) : 0, end = len < HTML_STRING_MAX ? len : HTML_STRING_MAX;

	fputc('"', out);
	for (size_t i = 0; i < end;) {
		size_t run = plain_run(s + i, end - i);

		if (run) {
			fwrite(s + i, 1, run, out);
			i += run;
		} else {
			i += put_special(out, s + i);
		}
	}
	if (end < len)
		fprintf(out, "... (%zu bytes more)", len - end);
	fputc('"', out);
}

void html_json_comma(FILE *out, bool *more)
{
	if (*more)
		fputc(',', out);
	*more = true;
}

void html_json_number(FILE *out, double value)
{
	if (!isfinite(value))
		value = 0;
	if (value == rint(value) && fabs(value) < 9e15)
		fprintf(out, "%.0f", value + 0.0);
	else
		fprintf(out, "%.6g", value);
}

void html_json_figure(FILE *out, const struct figure *f)
{
	double bound_count = figure_bound(f->var_count), bound_bytes = figure_bound(f->var_bytes);

	fputc('[', out);
	html_json_number(out, rint(f->est_count));
	fputc(',', out);
	html_json_number(out, rint(f->est_bytes));
	if (bound_count > 0 || bound_bytes > 0) {
		fputc(',', out);
		html_json_number(out, rint(bound_count));
		fputc(',', out);
		html_json_number(out, rint(bound_bytes));
	}
	fputc(']', out);
}

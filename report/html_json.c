// SPDX-License-Identifier: MIT
/* html_json.c - parts of the JSON that stands in the HTML page. */
#include "report/html_json.h"

#include "report/json_writer.h"

#include <math.h>
#include <string.h>

void html_json_string(FILE *out, const char *s)
{
	struct json j = { .f = out };
	char brief[HTML_STRING_MAX + 64];
	size_t len = s ? strlen(s) : 0;

	if (len > HTML_STRING_MAX) {
		snprintf(brief, sizeof(brief), "%.*s... (%zu bytes more)", (int)HTML_STRING_MAX, s,
			 len - HTML_STRING_MAX);
		s = brief;
	}
	json_string(&j, NULL, s ? s : "");
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

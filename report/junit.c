// SPDX-License-Identifier: MIT
/* junit.c - what is outstanding as failed test cases. */
#include "report/ci_formats.h"

#include "common/fmt.h"
#include "report/text.h"

#include <stdlib.h>
#include <string.h>

/* XML 1.0 has no way to write most control characters: fmt_name() has replaced them. */
static void print_xml(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (*s == '&')
			fputs("&amp;", f);
		else if (*s == '<')
			fputs("&lt;", f);
		else if (*s == '>')
			fputs("&gt;", f);
		else if (*s == '"')
			fputs("&quot;", f);
		else
			putc(*s, f);
	}
}

static void print_name(FILE *f, const char *name)
{
	char buf[FMT_NAME_MAX];

	print_xml(f, fmt_name_buf(buf, sizeof(buf), name));
}

/* The stack as the text report shows it. */
static void print_stack(FILE *f, const struct report *r, const struct report_site *site)
{
	static const struct text_options options = { .wide = true };
	char *text = NULL;
	size_t len;
	FILE *memory = open_memstream(&text, &len);

	if (!memory)
		return;
	text_print_frames(memory, r, site, &options, "");
	if (!fclose(memory))
		print_xml(f, text);
	free(text);
}

static const struct symbol_frame *top_frame(const struct report *r, const struct report_site *site)
{
	size_t count = 0;
	const struct symbol_frame *s = site->depth ?
		symbolizer_frames(report_symbolizer(r), site->locations[0], &count) : NULL;

	return count ? s : NULL;
}

static void print_case(FILE *f, const struct report *r, const struct report_site *site)
{
	const struct symbol_frame *top = top_frame(r, site);

	fputs("  <testcase classname=\"", f);
	print_name(f, top && *top->module ? top->module : "unknown");
	fputs("\" name=\"", f);
	print_name(f, top && top->function ? top->function : "unknown");
	fprintf(f, " %016llx\">\n    <failure type=\"leak\" message=\"",
		(unsigned long long)site->fingerprint);
	fprintf(f, "%.0f bytes outstanding in %.0f allocations (%s)\">", site->live.est_bytes,
		site->live.est_count, report_kind_name(site->kind));
	print_stack(f, r, site);
	fputs("</failure>\n  </testcase>\n", f);
}

void junit_print(FILE *f, const struct report *r)
{
	size_t failures = 0;

	while (failures < report_site_count(r) && report_site(r, failures)->live.count)
		failures++;
	fprintf(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuite name=\"leakreport\" tests=\"%zu\" failures=\"%zu\" errors=\"0\">\n",
		failures ? failures : 1, failures);
	for (size_t i = 0; i < failures; i++)
		print_case(f, r, report_site(r, i));
	if (!failures)
		fputs("  <testcase classname=\"leakreport\" name=\"nothing outstanding\"/>\n", f);
	fputs("</testsuite>\n", f);
}

// SPDX-License-Identifier: MIT
/* folded.c - one line per stack and process, for flame graph tools. */
#include "report/folded.h"

#include "common/fmt.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A semicolon would end the frame. */
static void print_name(FILE *f, const char *name)
{
	char *copy = strchr(name, ';') ? strdup(name) : NULL;

	for (char *p = copy; p && (p = strchr(p, ';')) != NULL;)
		*p = ':';
	fmt_name(f, copy ? copy : name, 0);
	free(copy);
}

static void print_frame(FILE *f, const struct symbol_frame *s)
{
	putc(';', f);
	if (s->function)
		print_name(f, s->function);
	else if (s->module_id)
		print_name(f, s->module);
	else
		fputs("[unknown]", f);
	if (!s->function && s->module_id)
		fprintf(f, "+0x%" PRIx64, s->offset);
	if (s->flags & FRAME_KERNEL)
		fputs("_[k]", f);
	else if (s->flags & FRAME_INLINED)
		fputs("_[i]", f);
}

static void print_line(FILE *f, const struct report *r, const struct report_site *site,
		       const struct report_process *p, double bytes)
{
	print_name(f, *p->comm ? p->comm : "[unknown]");
	for (uint32_t i = site->depth; i-- > 0;) {
		size_t count;
		const struct symbol_frame *s = symbolizer_frames(report_symbolizer(r),
								 site->locations[i], &count);

		while (count-- > 0)
			print_frame(f, &s[count]);
	}
	if (!site->depth)
		fputs(";[no stack]", f);
	if (site->cache) {
		putc(';', f);
		print_name(f, site->cache);
		fputs("_[k]", f);
	} else if (site->kind == KIND_MMAP) {
		fputs(";[mmap]", f);
	}
	fprintf(f, " %.0f\n", bytes);
}

void folded_print(FILE *f, const struct report *r)
{
	for (size_t i = 0; i < report_site_count(r); i++) {
		const struct report_site *site = report_site(r, i);
		const struct report_holding *h = site->holdings;

		for (size_t j = 0, end; j < site->holding_count; j = end) {
			double bytes = 0;

			for (end = j; end < site->holding_count && h[end].process == h[j].process;
			     end++)
				bytes += h[end].live.est_bytes;
			if (bytes >= 0.5)
				print_line(f, r, site, report_process(r, h[j].process), bytes);
		}
	}
}

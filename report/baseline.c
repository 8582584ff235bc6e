// SPDX-License-Identifier: MIT
/* baseline.c - the sites that are known to hold memory. */
#include "report/baseline.h"

#include "common/array.h"
#include "common/fmt.h"
#include "common/io.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BASELINE_MAX (64u << 20)
#define NAMES_SHOWN 3	/* functions that follow a fingerprint */

struct baseline {
	uint64_t *list;		/* ascending */
	size_t count, room;
};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int add_line(struct baseline *b, const char *line)
{
	uint64_t *list;
	char digits[17];

	line += strspn(line, " \t\r");
	if (!*line || *line == '#')
		return 0;
	if (strspn(line, "0123456789abcdef") != 16 ||
	    (line[16] && !isspace((unsigned char)line[16])))
		return -EINVAL;
	list = array_grow(b->list, b->count, &b->room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	b->list = list;
	memcpy(digits, line, 16);
	digits[16] = 0;
	list[b->count++] = strtoull(digits, NULL, 16);
	return 0;
}

int baseline_load(const char *path, struct baseline **out, unsigned int *line)
{
	struct baseline *b = calloc(1, sizeof(*b));
	char *text = NULL, *p, *next;
	size_t len;
	int err = b ? io_read_file(path, BASELINE_MAX, &text, &len) : -ENOMEM;

	*line = 0;
	for (p = err ? NULL : text; p && !err; p = next) {
		next = strchr(p, '\n');
		if (next)
			*next++ = 0;
		++*line;
		err = add_line(b, p);
	}
	free(text);
	if (err) {
		baseline_free(b);
		return err;
	}
	if (b->count)
		qsort(b->list, b->count, sizeof(*b->list), compare);
	*out = b;
	return 0;
}

void baseline_free(struct baseline *b)
{
	if (!b)
		return;
	free(b->list);
	free(b);
}

bool baseline_has(const struct baseline *b, uint64_t fingerprint)
{
	return b->count && bsearch(&fingerprint, b->list, b->count, sizeof(*b->list), compare);
}

static void print_names(FILE *f, const struct report *r, const struct report_site *site)
{
	for (uint32_t i = 0; i < site->depth && i < NAMES_SHOWN; i++) {
		size_t count;
		const struct symbol_frame *s = symbolizer_frames(report_symbolizer(r),
								 site->locations[i], &count);

		fputs(i ? " < " : " ", f);
		fmt_name(f, !count ? "?" : s[count - 1].function ? s[count - 1].function :
			 s[count - 1].module, 60);
	}
}

static int compare_sites(const void *a, const void *b)
{
	const struct report_site *x = *(const struct report_site *const *)a;
	const struct report_site *y = *(const struct report_site *const *)b;

	return (x->fingerprint > y->fingerprint) - (x->fingerprint < y->fingerprint);
}

/* In the order of fingerprints, so that versions of the file can be compared. */
void baseline_print(FILE *f, const struct report *r)
{
	size_t count = report_site_count(r);
	const struct report_site **sites = malloc((count + 1) * sizeof(*sites));

	fputs("# memleak baseline: sites that are known to hold memory\n", f);
	for (size_t i = 0; sites && i < count; i++)
		sites[i] = report_site(r, i);
	if (sites)
		qsort(sites, count, sizeof(*sites), compare_sites);
	for (size_t i = 0; sites && i < count; i++) {
		if (!sites[i]->live.count ||
		    (i && sites[i]->fingerprint == sites[i - 1]->fingerprint))
			continue;
		fprintf(f, "%016" PRIx64 " %.0f bytes", sites[i]->fingerprint,
			sites[i]->live.est_bytes);
		print_names(f, r, sites[i]);
		putc('\n', f);
	}
	free(sites);
}

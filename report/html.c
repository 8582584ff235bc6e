// SPDX-License-Identifier: MIT
/* html.c - the viewer with the report's data in it. */
#define _GNU_SOURCE 1
#include "report/html.h"

#include "report/html_data.h"
#include "report/html_pack.h"
#include "report/html_page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Places in the page that the build script of the viewer leaves to be filled in. */
#define CONNECT_MARK "@@CONNECT@@"
#define REPORT_MARK "@@REPORT@@"

struct page {
	const char *mark[2];	/* where the marks are, in this order */
	const char *end;
};

/* False when the page is empty (no viewer) or isn't what the build script makes. */
static bool find_marks(struct page *p)
{
	p->end = html_page + html_page_size;
	p->mark[0] = memmem(html_page, html_page_size, CONNECT_MARK, strlen(CONNECT_MARK));
	if (!p->mark[0])
		return false;
	p->mark[1] = memmem(p->mark[0], (size_t)(p->end - p->mark[0]), REPORT_MARK,
			    strlen(REPORT_MARK));
	return p->mark[1];
}

bool html_is_built(void)
{
	struct page p;

	return find_marks(&p);
}

static void put(FILE *out, const char *from, const char *end)
{
	fwrite(from, 1, (size_t)(end - from), out);
}

static int put_report(FILE *out, const struct report *r, const struct html_options *o)
{
	char *data = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&data, &len);
	int err = memory ? html_data_write(memory, r, o) : -ENOMEM;

	if (memory && fclose(memory) && !err)
		err = -ENOMEM;
	if (!err)
		err = html_pack(out, data, len);
	free(data);
	return err;
}

int html_write(FILE *out, const struct report *r, const struct html_options *o)
{
	static const struct html_options defaults;
	struct page p;
	int err;

	if (!find_marks(&p))
		return -ENOTSUP;
	if (!o)
		o = &defaults;
	put(out, html_page, p.mark[0]);
	fputs(o->refresh_s > 0 ? "'self'" : "'none'", out);
	put(out, p.mark[0] + strlen(CONNECT_MARK), p.mark[1]);
	err = put_report(out, r, o);
	put(out, p.mark[1] + strlen(REPORT_MARK), p.end);
	if (!err && ferror(out))
		err = -EIO;
	return err;
}

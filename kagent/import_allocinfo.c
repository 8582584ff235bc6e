// SPDX-License-Identifier: MIT
/*
 * import_allocinfo.c - /proc/allocinfo (CONFIG_MEM_ALLOC_PROFILING, 6.10):
 *
 *	allocinfo - version: 1.0
 *	#     <size>  <calls> <tag info>
 *	   270336       66 mm/readahead.c:186 func:ractl_alloc_folio
 *	     4096        1 drivers/x/y.c:12 [module] func:name
 *
 * Millions of calls on any machine, whose ages and sizes nobody knows.
 */
#include "kagent/import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "file:line" -> file, line; the file's name may hold colons. */
static void split_place(const char *place, struct import_frame *f)
{
	const char *colon = strrchr(place, ':');
	size_t len = colon ? (size_t)(colon - place) : strlen(place);

	if (len >= sizeof(f->file))
		len = sizeof(f->file) - 1;
	memcpy(f->file, place, len);
	f->line = colon ? strtoul(colon + 1, NULL, 10) : 0;
}

static int parse_line(char *line, struct import_site *s)
{
	struct import_frame *f = &s->frame[0];
	unsigned long long size, calls;
	char *func = strstr(line, " func:"), *module, *place;
	int at = 0;

	memset(s, 0, sizeof(*s));
	if (!func || sscanf(line, "%llu %llu %n", &size, &calls, &at) != 2 || !at)
		return -EINVAL;
	*func = 0;
	place = line + at;
	if (place > func)
		return -EINVAL;
	module = strstr(place, " [");
	if (module) {
		*module = 0;
		module[strcspn(module + 2, "]") + 2] = 0;
		snprintf(f->module, sizeof(f->module), "%.*s", (int)sizeof(f->module) - 1,
			 module + 2);
	}
	split_place(place, f);
	snprintf(f->name, sizeof(f->name), "%.*s", (int)strcspn(func + 6, " \t"), func + 6);
	s->depth = 1;
	s->bytes = size;
	s->count = calls;
	return 0;
}

int import_allocinfo(struct import *im, char *text)
{
	struct import_site s;
	char *next;
	int err = 0;

	if (strncmp(text, "allocinfo - version: 1.", 23) &&
	    strncmp(text, "allocinfo - version: 2.", 23))
		return -EINVAL;
	import_totals_only(im);
	for (; *text && !err; text = next) {
		next = text + strcspn(text, "\n");
		if (*next)
			*next++ = 0;
		if (!*text || text[0] == '#' || !strncmp(text, "allocinfo", 9))
			continue;
		err = parse_line(text, &s);
		if (!err)
			err = import_add(im, &s);
	}
	return err;
}

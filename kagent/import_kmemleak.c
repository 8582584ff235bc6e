// SPDX-License-Identifier: MIT
/*
 * import_kmemleak.c - /sys/kernel/debug/kmemleak:
 *
 *	unreferenced object 0xffff8881093c4000 (size 4096):
 *	  comm "insmod", pid 812, jiffies 4294901234 (age 21.500s)
 *	  hex dump (first 32 bytes):
 *	    00 01 ...
 *	  backtrace (crc 1f2e3d4c):
 *	    [<ffffffffc0012034>] leak_one+0x24/0x60 [leaky]
 *
 * The age is missing since 6.5, the crc is there since 6.7; since 6.13 the
 * backtrace's lines have no address.
 */
#include "kagent/import.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool begin_object(const char *line, struct import_site *s)
{
	unsigned long long addr, size;

	if (sscanf(line, "unreferenced object 0x%llx (size %llu)", &addr, &size) != 2 &&
	    sscanf(line, "unreferenced object (percpu) 0x%llx (size %llu)", &addr, &size) != 2)
		return false;
	memset(s, 0, sizeof(*s));
	s->addr = addr;
	s->bytes = size;
	s->count = 1;
	return true;
}

/* The name stands between quotes and may hold quotes itself. */
static void take_task(const char *line, struct import_site *s)
{
	const char *first = strchr(line, '"'), *last = strrchr(line, '"');
	const char *age = strstr(line, "(age ");
	double seconds;

	if (first && last > first) {
		size_t len = last - first - 1;

		if (len > sizeof(s->comm))
			len = sizeof(s->comm);
		memcpy(s->comm, first + 1, len);
		sscanf(last + 1, ", pid %u", &s->pid);
	}
	if (age && sscanf(age, "(age %lfs)", &seconds) == 1 && seconds >= 0 && seconds < 1e9)
		s->age_ns = seconds * 1e9;
}

static void take_frame(const char *line, struct import_site *s)
{
	const char *close = line[0] == '[' ? strchr(line, ']') : NULL;

	if (close)
		line = close + 1 + strspn(close + 1, " ");
	if (s->depth < IMPORT_FRAMES && strchr(line, '+') &&
	    !import_parse_symbol(line, &s->frame[s->depth]))
		s->depth++;
}

int import_kmemleak(struct import *im, char *text)
{
	struct import_site s = { .count = 0 };
	bool in_trace = false, any = false;
	char *next;
	int err = 0;

	for (; *text && !err; text = next) {
		next = text + strcspn(text, "\n");
		if (*next)
			*next++ = 0;
		if (!strncmp(text, "unreferenced object", 19)) {
			err = import_add(im, &s);
			s.count = 0;
			in_trace = false;
			any = true;
			if (!err && !begin_object(text, &s))
				err = -EINVAL;
			continue;
		}
		text += strspn(text, " ");
		if (!strncmp(text, "comm ", 5))
			take_task(text, &s);
		else if (!strncmp(text, "backtrace", 9))
			in_trace = true;
		else if (in_trace)
			take_frame(text, &s);
		else if (!any && *text)
			err = -EINVAL;
	}
	return err ? err : import_add(im, &s);
}

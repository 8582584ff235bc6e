// SPDX-License-Identifier: MIT
/* session_time.c - ticks to nanoseconds, and whether a session's writer still runs. */
#define _GNU_SOURCE 1
#include "common/session_reader.h"

#include "common/io.h"
#include "common/session_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

uint64_t session_ticks_to_ns(const struct session *s, uint64_t ticks)
{
	const struct session_clock *c = &s->view.header.clock;
	unsigned __int128 ns;

	if (c->tick1 <= c->tick0 || c->ns1 < c->ns0)
		return ticks;
	ns = (unsigned __int128)ticks * (c->ns1 - c->ns0) / (c->tick1 - c->tick0);
	return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

uint64_t session_rel_ns(const struct session *s, uint64_t rel_tick)
{
	uint64_t ns = session_ticks_to_ns(s, rel_tick), base = s->view.header.clock.ns0;

	return ns > UINT64_MAX - base ? UINT64_MAX : base + ns;
}

uint64_t session_ns_to_tick(const struct session *s, uint64_t ns)
{
	const struct session_clock *c = &s->view.header.clock;
	unsigned __int128 ticks = ns > c->ns0 ? ns - c->ns0 : 0;

	if (c->tick1 > c->tick0 && c->ns1 > c->ns0)
		ticks = ticks * (c->tick1 - c->tick0) / (c->ns1 - c->ns0);
	return ticks > UINT64_MAX ? UINT64_MAX : (uint64_t)ticks;
}

static uint64_t monotonic_ns(void)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

bool session_is_of_this_boot(const struct session *s)
{
	const char *id = session_string(s, s->view.header.boot_id);
	char *text;
	size_t len;
	bool same;

	if (!*id || io_read_file(BOOT_ID_PATH, 4096, &text, &len))
		return false;
	text[strcspn(text, "\n")] = 0;
	same = !strcmp(text, id);
	free(text);
	return same;
}

/*
 * Field 22 of /proc/PID/stat; the command in field 2 may hold blanks and parentheses.
 * A zombie (field 3) writes nothing any more.
 */
static bool start_ticks(uint32_t pid, uint64_t *ticks)
{
	char path[64], *text, *p;
	size_t len;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	if (io_read_file(path, 65536, &text, &len))
		return false;
	p = strrchr(text, ')');
	if (p && (p[1] != ' ' || p[2] == 'Z' || p[2] == 'X'))
		p = NULL;
	/* Behind ")" comes the blank before field 3; field 22 is behind the 20th blank. */
	for (int blanks = 0; p && blanks < 20; blanks++)
		p = strchr(p + 1, ' ');
	if (p) {
		*ticks = strtoull(p + 1, NULL, 10);
		found = true;
	}
	free(text);
	return found;
}

bool session_is_running(const struct session *s)
{
	const struct session_header *h = &s->view.header;
	uint64_t ticks;

	return h->state == SESSION_LIVE && session_is_of_this_boot(s) && start_ticks(h->pid, &ticks) &&
	       ticks == h->start_ticks;
}

uint64_t session_last_ns(const struct session *s)
{
	const struct session_header *h = &s->view.header;

	if (session_is_running(s))
		return monotonic_ns();
	if (h->state == SESSION_ENDED && h->end_tick)
		return session_rel_ns(s, h->end_tick);
	return h->clock.ns1;
}

// SPDX-License-Identifier: MIT
/* session_time.c - ticks to nanoseconds, and whether a session's writer still runs. */
#define _GNU_SOURCE 1
#include "common/session_reader.h"

#include "common/io.h"
#include "common/proc_stat.h"
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

bool session_is_running(const struct session *s)
{
	const struct session_header *h = &s->view.header;

	/* (a zombie writes nothing any more) */
	return h->state == SESSION_LIVE && session_is_of_this_boot(s) &&
	       proc_stat_runs((pid_t)h->pid, h->start_ticks);
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

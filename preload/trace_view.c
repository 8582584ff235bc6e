// SPDX-License-Identifier: MIT
#include "preload/trace_view.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio_ext.h>
#include <time.h>

#define LINE_MOST 160	/* bytes: four numbers of 64 bits and less */

static const char *const op_names[] = {
	[TRACE_MALLOC] = "malloc",
	[TRACE_FREE] = "free",
	[TRACE_CALLOC] = "calloc",
	[TRACE_REALLOC] = "realloc",
	[TRACE_MEMALIGN] = "memalign",
	[TRACE_POSIX_MEMALIGN] = "posix_memalign",
	[TRACE_ALIGNED_ALLOC] = "aligned_alloc",
	[TRACE_VALLOC] = "valloc",
	[TRACE_PVALLOC] = "pvalloc",
	[TRACE_NEW] = "new",
	[TRACE_DELETE] = "delete",
	[TRACE_MMAP] = "mmap",
	[TRACE_MUNMAP] = "munmap",
	[TRACE_MREMAP] = "mremap",
	[TRACE_KALLOC] = "kalloc",
	[TRACE_KFREE] = "kfree",
};

static const char *op_name(uint32_t op)
{
	const char *name = op < sizeof(op_names) / sizeof(*op_names) ? op_names[op] : NULL;

	return name ? name : "?";
}

/* The local time of day at a tick: "11:16:33", and the microseconds. */
static void time_of_day(const struct session *s, uint64_t tick, char text[16], unsigned int *us)
{
	const struct session_clock *clock = &session_header(s)->clock;
	uint64_t ns = clock->realtime_ns0 + (session_rel_ns(s, tick) - clock->ns0);
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;

	if (!localtime_r(&seconds, &tm) || !strftime(text, 16, "%H:%M:%S", &tm))
		snprintf(text, 16, "--:--:--");
	*us = (unsigned int)(ns % 1000000000 / 1000);
}

/*
 * The program may write to the same pipe: what is written at once, up to PIPE_BUF bytes,
 * stays together, so that ends with a line.
 */
static void keep_lines_whole(FILE *out)
{
	if (__fpending(out) + LINE_MOST > PIPE_BUF)
		fflush(out);
}

static void print_event(const struct session *s, const struct session_trace_event *event,
			FILE *out)
{
	unsigned int us;
	char clock[16];

	time_of_day(s, event->tick, clock, &us);
	fprintf(out, "[%s.%06u] pid %u tid %u %s addr = %" PRIx64, clock, us,
		session_header(s)->pid, event->tid, op_name(event->op), event->addr);
	if (event->size)
		fprintf(out, " size = %" PRIu64, event->size);
	if (event->old_addr)
		fprintf(out, " old = %" PRIx64, event->old_addr);
	fputc('\n', out);
}

int trace_view_print(struct session *s, uint64_t *next, FILE *out)
{
	struct session_trace_event events[TRACE_VIEW_BATCH];
	uint64_t lost = 0;
	int count = session_read_trace(s, next, events, TRACE_VIEW_BATCH, &lost);

	if (lost)
		fprintf(out, "pid %u: %" PRIu64 " calls lost: overwritten before they could be "
			"printed\n", session_header(s)->pid, lost);
	for (int i = 0; i < count; i++) {
		keep_lines_whole(out);
		print_event(s, &events[i], out);
	}
	return count;
}

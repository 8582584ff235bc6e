// SPDX-License-Identifier: MIT
/* progress.c - a progress line on stderr while symbols are looked up. */
#include "report/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 1000

static long long now_ms(void)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

void progress_show(void *arg, size_t done, size_t total)
{
	struct progress *p = arg;

	if (!isatty(STDERR_FILENO))
		return;
	if (!p->started_ms)
		p->started_ms = now_ms();
	if (now_ms() - p->started_ms < PATIENCE_MS)
		return;
	p->shown = 1;
	fprintf(stderr, "\rLooking up symbols: %zu of %zu addresses", done, total);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = 0;
}

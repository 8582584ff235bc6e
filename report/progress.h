// SPDX-License-Identifier: MIT
/* progress.h - a progress line on stderr while symbols are looked up. For commands. */
#ifndef REPORT_PROGRESS_H
#define REPORT_PROGRESS_H

#include <stddef.h>

struct progress {
	long long started_ms;	/* 0: not yet */
	int shown;
};

/* A symbol_progress_fn; arg is a zeroed struct progress. Silent unless stderr is a terminal. */
void progress_show(void *arg, size_t done, size_t total);

/* Takes the line away again, if there is one. */
void progress_end(struct progress *p);

#endif

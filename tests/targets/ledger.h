// SPDX-License-Identifier: MIT
/*
 * What a target knows about its own outstanding blocks, for the test to compare
 * with the report. One line per stack: count, bytes, and the functions joined by
 * ';', innermost (leak_* or tidy_*) first, main or the thread's function last.
 * Nothing here allocates. The file is named by the environment variable LEDGER;
 * without it nothing is written.
 */
#ifndef TARGETS_LEDGER_H
#define TARGETS_LEDGER_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void ledger_line(long long count, long long bytes, const char *frames)
{
	const char *path = getenv("LEDGER");
	int fd;

	if (!path || !count)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	dprintf(fd, "%lld %lld %s\n", count, bytes, frames);
	close(fd);
}

#endif

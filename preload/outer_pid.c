// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/outer_pid.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/proc_stat.h"

#define STATUS_LIMIT	(64u << 10)

/* NSpid: the pids of a process from this namespace inwards; the last one is its own. */
static bool is_inner(pid_t pid, pid_t inner)
{
	char path[64], *text;
	const char *line, *end;
	bool found = false;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (io_read_file(path, STATUS_LIMIT, &text, &len))
		return false;
	line = strstr(text, "\nNSpid:");
	if (line) {
		end = strchrnul(line + 1, '\n');
		while (end > line && isdigit((unsigned char)end[-1]))
			end--;
		found = atoi(end) == inner;
	}
	free(text);
	return found;
}

pid_t outer_pid_find(pid_t inner, uint64_t start_ticks)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	pid_t found = 0;

	if (!proc)
		return 0;
	while (!found && (entry = readdir(proc))) {
		pid_t pid = (pid_t)atoi(entry->d_name);

		if (pid > 0 && is_inner(pid, inner) && proc_stat_runs(pid, start_ticks))
			found = pid;
	}
	closedir(proc);
	return found;
}

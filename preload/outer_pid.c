// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/outer_pid.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"

#define STATUS_LIMIT	(64u << 10)

static bool read_proc(pid_t pid, const char *name, char **text)
{
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return io_read_file(path, STATUS_LIMIT, text, &len) == 0;
}

bool outer_pid_runs(pid_t pid, uint64_t start_ticks)
{
	unsigned long long started;
	char *text, state;
	bool runs;

	if (!read_proc(pid, "stat", &text))
		return false;
	/* the command in parentheses may hold anything; state and 18 fields come behind it */
	runs = strrchr(text, ')') &&
	       sscanf(strrchr(text, ')') + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		      "%*s %*s %*s %*s %*s %*s %llu", &state, &started) == 2 &&
	       state != 'Z' && state != 'X' && started == start_ticks;
	free(text);
	return runs;
}

/* NSpid: the pids of a process from this namespace inwards; the last one is its own. */
static bool is_inner(pid_t pid, pid_t inner)
{
	const char *line, *end;
	bool found = false;
	char *text;

	if (!read_proc(pid, "status", &text))
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

		if (pid > 0 && is_inner(pid, inner) && outer_pid_runs(pid, start_ticks))
			found = pid;
	}
	closedir(proc);
	return found;
}

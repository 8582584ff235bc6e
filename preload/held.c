// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/held.h"

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/proc_stat.h"

#define DEEPEST 64	/* children of children: a ring of them would be a mistake of ours */

static bool is_stopped(pid_t pid)
{
	struct proc_stat s;

	return !proc_stat_read(pid, &s) && s.state == 'T';
}

static void release(pid_t pid, int depth);

/* "12 34 " */
static void release_children(const char *path, int depth)
{
	char *text, *at, *end;
	size_t len;

	if (io_read_file(path, 1 << 20, &text, &len))
		return;
	for (at = text;; at = end) {
		long pid = strtol(at, &end, 10);

		if (end == at || pid <= 0)
			break;
		release((pid_t)pid, depth + 1);
	}
	free(text);
}

static void release(pid_t pid, int depth)
{
	const struct dirent *entry;
	char path[320];
	DIR *tasks;

	if (depth > DEEPEST)
		return;
	if (is_stopped(pid))
		kill(pid, SIGCONT);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)pid, entry->d_name);
		release_children(path, depth);
	}
	if (tasks)
		closedir(tasks);
}

void held_release(pid_t pid)
{
	release(pid, 0);
}

// SPDX-License-Identifier: MIT
/* proc_stat.c - see proc_stat.h. */
#include "common/proc_stat.h"

#include "common/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LIMIT	4096

/* "PID (NAME) STATE PPID PGRP SESSION ...": the name may hold blanks and parentheses. */
static int parse(const char *text, struct proc_stat *out)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long long start;
	int parent, session;
	char state;

	if (!open || !close || close < open)
		return -EBADMSG;
	/* session is field 6, the time of the start field 22 */
	if (sscanf(close + 1, " %c %d %*d %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%*s %llu", &state, &parent, &session, &start) != 4)
		return -EBADMSG;
	snprintf(out->name, sizeof(out->name), "%.*s", (int)(close - open - 1), open + 1);
	out->state = state;
	out->parent = parent;
	out->session = session;
	out->start_ticks = start;
	return 0;
}

static int read_path(const char *path, struct proc_stat *out)
{
	size_t len;
	char *text;
	int err = io_read_file(path, TEXT_LIMIT, &text, &len);

	if (err)
		return err;
	err = parse(text, out);
	free(text);
	return err;
}

int proc_stat_read(pid_t pid, struct proc_stat *out)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	return read_path(path, out);
}

int proc_stat_read_thread(pid_t pid, pid_t tid, struct proc_stat *out)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
	return read_path(path, out);
}

bool proc_stat_is_over(const struct proc_stat *s)
{
	return s->state == 'Z' || s->state == 'X';
}

bool proc_stat_runs(pid_t pid, uint64_t start_ticks)
{
	struct proc_stat s;

	return !proc_stat_read(pid, &s) && !proc_stat_is_over(&s) && s.start_ticks == start_ticks;
}

// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/processes.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_named(pid_t pid, const char *name)
{
	char path[64], comm[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (f && fgets(comm, sizeof(comm), f))
		comm[strcspn(comm, "\n")] = '\0';
	if (f)
		fclose(f);
	return *comm && !strncmp(comm, name, 15);
}

static int by_pid(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return x < y ? -1 : x > y;
}

static int add(pid_t **pids, size_t *count, pid_t pid)
{
	pid_t *grown = realloc(*pids, (*count + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	grown[(*count)++] = pid;
	*pids = grown;
	return 0;
}

int processes_named(const char *name, pid_t **pids, size_t *count)
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;
	pid_t *found = NULL;
	size_t n = 0;
	int err = 0;

	if (!proc)
		return -errno;
	while (!err && (e = readdir(proc))) {
		pid_t pid = (pid_t)atoi(e->d_name);

		if (pid > 0 && pid != getpid() && is_named(pid, name))
			err = add(&found, &n, pid);
	}
	closedir(proc);
	if (!err && !n)
		err = -ESRCH;
	if (err) {
		free(found);
		return err;
	}
	qsort(found, n, sizeof(*found), by_pid);
	*pids = found;
	*count = n;
	return 0;
}

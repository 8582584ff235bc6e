// SPDX-License-Identifier: MIT
/* orphans.c - see orphans.h */
#define _GNU_SOURCE 1
#include "preload/orphans.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/proc_stat.h"

#define MAX_CHILDREN	4096
#define PAUSE_MS	10
#define MOMENT_MS	2000	/* from fork to setsid(), on a busy machine */

static size_t list_children(pid_t *pids, size_t room)
{
	char path[64];
	size_t count = 0;
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)syscall(SYS_gettid));
	f = fopen(path, "re");
	while (f && count < room && fscanf(f, "%d", &pid) == 1)
		pids[count++] = pid;
	if (f)
		fclose(f);
	return count;
}

static bool is_own(const struct orphans *o, pid_t pid)
{
	for (size_t i = 0; i < o->own_count; i++)
		if (o->own[i] == pid)
			return true;
	return false;
}

void orphans_begin(struct orphans *o)
{
	o->session = getsid(0);
	o->own_count = list_children(o->own, ORPHANS_OWN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void orphans_reap(const struct orphans *o, pid_t but)
{
	static pid_t pids[MAX_CHILDREN];
	size_t count = list_children(pids, MAX_CHILDREN);

	for (size_t i = 0; i < count; i++)
		if (pids[i] != but && !is_own(o, pids[i]))
			waitpid(pids[i], NULL, WNOHANG);
}

/*
 * The daemon, or 0; *maybe: it is worth to look again, because somebody of that name is
 * there who is none yet, or somebody has ended since the children were listed, so that
 * his are not among them.
 */
static pid_t find(const struct orphans *o, const char *name, bool *maybe)
{
	static pid_t pids[MAX_CHILDREN];
	size_t count = list_children(pids, MAX_CHILDREN);

	*maybe = false;
	for (size_t i = 0; i < count; i++) {
		struct proc_stat it;

		if (is_own(o, pids[i]))
			continue;
		if (proc_stat_read(pids[i], &it) || proc_stat_is_over(&it)) {
			waitpid(pids[i], NULL, WNOHANG);
			*maybe = true;
		} else if (!strcmp(it.name, name)) {
			if (it.session != o->session)
				return pids[i];
			*maybe = true;
		}
	}
	return 0;
}

pid_t orphans_daemon(const struct orphans *o, const char *name)
{
	bool maybe;
	pid_t pid = find(o, name, &maybe);

	for (int waited = 0; !pid && maybe && waited < MOMENT_MS; waited += PAUSE_MS) {
		usleep(PAUSE_MS * 1000);
		pid = find(o, name, &maybe);
	}
	return pid;
}

void orphans_name(pid_t pid, char name[64])
{
	struct proc_stat it;

	*name = '\0';
	if (!proc_stat_read(pid, &it))
		memcpy(name, it.name, sizeof(it.name));
}

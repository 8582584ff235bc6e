// SPDX-License-Identifier: MIT
/* procinfo.c - /proc/PID/stat and status (proc(5)); cgroup ids are inode numbers. */
#define _GNU_SOURCE
#include "kagent/procinfo.h"

#include "common/io.h"
#include "common/proc_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool process_exited(uint32_t pid, uint64_t start_ns)
{
	uint64_t hz = sysconf(_SC_CLK_TCK), recorded = start_ns / (1000000000ull / hz);
	struct proc_stat s;

	if (proc_stat_read((pid_t)pid, &s))
		return true;
	return s.start_ticks > recorded + 1 || recorded > s.start_ticks + 1;
}

uint32_t process_uid(uint32_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%u", pid);
	return stat(path, &st) ? UINT32_MAX : st.st_uid;
}

/* ---- cgroups ---- */

static const char *cgroup_mount(void)
{
	struct stat st;

	return !stat("/sys/fs/cgroup/cgroup.controllers", &st) ? "/sys/fs/cgroup"
							       : "/sys/fs/cgroup/unified";
}

/* nftw() has no argument for its callback. */
static __thread struct {
	uint64_t id;
	char *path;
	size_t size, skip;
} wanted;

static int match(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type != FTW_D || st->st_ino != wanted.id)
		return 0;
	snprintf(wanted.path, wanted.size, "%s", path + wanted.skip);
	return 1;
}

void cgroup_path(uint64_t id, char *path, size_t size)
{
	const char *mount = cgroup_mount();

	path[0] = 0;
	wanted.id = id;
	wanted.path = path;
	wanted.size = size;
	wanted.skip = strlen(mount);
	nftw(mount, match, 16, FTW_PHYS | FTW_MOUNT);
}

int cgroup_open(const char *path)
{
	char below[4096];
	int fd = -1;

	if (snprintf(below, sizeof(below), "%s/%s", cgroup_mount(), path) < (int)sizeof(below))
		fd = open(below, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

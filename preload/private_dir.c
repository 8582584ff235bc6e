// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/private_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Room for some million live allocations. Containers often have 64 MiB of /dev/shm. */
#define ENOUGH_BYTES	(256ull << 20)

#define PREFIX		"memleak-"

static int lock_fd = -1;	/* of the directory that was made */

/* LIBLEAK cannot express a comma, and libleak.so takes paths of less than 512 bytes. */
static bool usable(const char *dir)
{
	return dir && *dir == '/' && !strpbrk(dir, ",%") && strlen(dir) < 400 &&
	       access(dir, W_OK | X_OK) == 0;
}

static uint64_t room_in(const char *dir)
{
	struct statvfs fs;

	return statvfs(dir, &fs) ? 0 : (uint64_t)fs.f_bavail * fs.f_frsize;
}

static void unlink_entries(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

static void remove_all(const char *path)
{
	/* processes that run on may make sessions meanwhile */
	for (int tries = 0; tries < 10; tries++) {
		unlink_entries(path);
		if (rmdir(path) == 0 || (errno != ENOTEMPTY && errno != EEXIST))
			break;
	}
}

void private_dir_remove(const char *path)
{
	remove_all(path);
	if (lock_fd >= 0)
		close(lock_fd);
	lock_fd = -1;
}

/* Opens and locks a directory of ours; -1 when it is somebody else's, in use, or gone by now. */
static int lock_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat locked, named;

	if (fd < 0)
		return -1;
	if (fstat(fd, &locked) || locked.st_uid != geteuid() || flock(fd, LOCK_EX | LOCK_NB) ||
	    lstat(path, &named) || named.st_ino != locked.st_ino || named.st_dev != locked.st_dev) {
		close(fd);
		return -1;
	}
	return fd;
}

static void remove_left_behind(const char *parent)
{
	DIR *dir = opendir(parent);
	const struct dirent *entry;
	char path[PATH_MAX];
	int fd;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) ||
		    strlen(entry->d_name) != strlen(PREFIX "XXXXXX") ||
		    snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name) >= PATH_MAX)
			continue;
		fd = lock_dir(path);
		if (fd < 0)
			continue;
		remove_all(path);
		close(fd);
	}
	closedir(dir);
}

static const char *best_parent(void)
{
	const char *const candidates[] = { "/dev/shm", getenv("TMPDIR"), "/tmp" };
	const char *best = NULL;
	uint64_t best_room = 0;

	for (size_t i = 0; i < sizeof(candidates) / sizeof(*candidates); i++) {
		uint64_t room;

		if (!usable(candidates[i]))
			continue;
		room = room_in(candidates[i]);
		if (!best || (best_room < ENOUGH_BYTES && room > best_room)) {
			best = candidates[i];
			best_room = room;
		}
	}
	return best;
}

int private_dir_make(char path[PATH_MAX])
{
	const char *parent = best_parent();

	if (!parent)
		return -EACCES;
	remove_left_behind(parent);
	/* another memleak may take a new directory for one that was left behind */
	for (int tries = 0; tries < 100; tries++) {
		snprintf(path, PATH_MAX, "%s/" PREFIX "XXXXXX", parent);
		if (!mkdtemp(path))
			return -errno;
		lock_fd = lock_dir(path);
		if (lock_fd >= 0)
			return 0;
		remove_all(path);
	}
	return -EAGAIN;
}

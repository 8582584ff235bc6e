// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/private_dir.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Room for some million live allocations. Containers often have 64 MiB of /dev/shm. */
#define ENOUGH_BYTES	(256ull << 20)

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

int private_dir_make(char path[PATH_MAX])
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
	if (!best)
		return -EACCES;
	snprintf(path, PATH_MAX, "%s/memleak-XXXXXX", best);
	return mkdtemp(path) ? 0 : -errno;
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

void private_dir_remove(const char *path)
{
	/* processes that run on may make sessions meanwhile */
	for (int tries = 0; tries < 10; tries++) {
		unlink_entries(path);
		if (rmdir(path) == 0 || (errno != ENOTEMPTY && errno != EEXIST))
			break;
	}
}

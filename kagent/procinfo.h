// SPDX-License-Identifier: MIT
/* procinfo.h - facts about tasks and cgroups from /proc and the cgroup file system. */
#ifndef KAGENT_PROCINFO_H
#define KAGENT_PROCINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Has the process gone that had this pid and start time (CLOCK_BOOTTIME, ns)?
 * A later process of the same pid is another one.
 */
bool process_exited(uint32_t pid, uint64_t start_ns);

/* The real uid of a living process, UINT32_MAX when it can't be told. */
uint32_t process_uid(uint32_t pid);

/* The path of a cgroup (version 2) below its mount point, "" for the root or unknown ones. */
void cgroup_path(uint64_t id, char *path, size_t size);

/*
 * Opens a cgroup by its directory, or by its path below the mount point.
 * A descriptor, or -errno.
 */
int cgroup_open(const char *path);

#endif

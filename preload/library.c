// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/library.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fmt.h"

/* The path of `name` relative to the directory of the running program. */
static int beside(const char *name, char path[PATH_MAX])
{
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (len < 0)
		return -errno;
	exe[len] = '\0';
	*(strrchr(exe, '/') + 1) = '\0';
	return snprintf(path, PATH_MAX, "%s%s", exe, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int library_find(char path[PATH_MAX])
{
	char installed[PATH_MAX];
	int rc = beside("libleak.so", path);

	if (!rc && access(path, R_OK)) {
		if (beside("../lib/memleak/libleak.so", installed) || access(installed, R_OK))
			return -ENOENT;
		strcpy(path, installed);
	}
	if (!rc && strpbrk(path, ": \t\n"))
		return -EINVAL;
	return rc;
}

bool library_for_musl(const char *library, char path[PATH_MAX])
{
	const char *slash = strrchr(library, '/');
	int dir = slash ? (int)(slash - library) + 1 : 0;

	return snprintf(path, PATH_MAX, "%.*slibleak-musl.so", dir, library) < PATH_MAX;
}

int library_complain(int err, const char *path)
{
	char name[PATH_MAX];

	if (err == -EINVAL)
		fprintf(stderr, "memleak: LD_PRELOAD cannot name %s: there is a blank or a colon in "
			"the path; install or build memleak elsewhere\n",
			fmt_name_buf(name, sizeof(name), path));
	else if (err == -ENOENT)
		fprintf(stderr, "memleak: libleak.so not found: neither %s nor "
			"../lib/memleak/libleak.so from there can be read\n",
			fmt_name_buf(name, sizeof(name), path));
	else
		fprintf(stderr, "memleak: libleak.so not found: /proc/self/exe: %s\n",
			strerror(-err));
	return 1;
}

int library_find_program(const char *name, char path[PATH_MAX])
{
	int rc = beside(name, path);

	return !rc && access(path, X_OK) ? -ENOENT : rc;
}

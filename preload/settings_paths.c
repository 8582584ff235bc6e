// SPDX-License-Identifier: MIT
/* settings_paths.c - where sessions and reports are to be written: the last part of settings.h. */
#define _GNU_SOURCE 1
#include "preload/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fmt.h"
#include "common/session_name.h"

#define LIBLEAK_PATH_MAX	512

static int complain_file(const char *option, const char *path, const char *what)
{
	char name[512];

	fprintf(stderr, "memleak: %s %s: %s\n", option, fmt_name_buf(name, sizeof(name), path),
		what);
	return 1;
}

/* The directory that `path` is to be made in; 0 or -errno when nothing can be made there. */
static int directory_of(const char *path, char real[PATH_MAX])
{
	const char *base = strrchr(path, '/');
	char *dir = base ? strndup(path, (size_t)(base - path + 1)) : strdup(".");
	int rc = 0;

	if (!dir || !realpath(dir, real) || access(real, W_OK | X_OK))
		rc = -errno;
	free(dir);
	return rc;
}

int settings_check_files(const struct settings *s)
{
	char real[PATH_MAX];
	int rc;

	for (size_t i = 0; i < s->outputs.count; i++) {
		const char *path = s->outputs.list[i].path;

		rc = strcmp(path, "-") ? directory_of(path, real) : 0;
		if (rc)
			return complain_file("cannot write", path, strerror(-rc));
	}
	return 0;
}

int settings_output_pattern(const struct settings *s, char pattern[PATH_MAX])
{
	const char *slash = strrchr(s->output, '/'), *base = slash ? slash + 1 : s->output;
	char real[PATH_MAX];
	int rc = directory_of(s->output, real);

	if (rc)
		return complain_file("--output", s->output, strerror(-rc));
	if (!*base)
		return complain_file("--output", s->output,
				     "a directory; name a file in it, like %p.leak");
	if (strpbrk(real, ",%") || strchr(base, ','))
		return complain_file("--output", s->output, "LIBLEAK cannot express a comma in the "
				     "path, nor % in the directory");
	if (snprintf(pattern, PATH_MAX, "%s/%s", strcmp(real, "/") ? real : "", base) >=
	    LIBLEAK_PATH_MAX)
		return complain_file("--output", s->output, "the path is too long");
	return 0;
}

static void name_of_program(pid_t pid, const char *program, char name[PATH_MAX])
{
	char link[64], target[PATH_MAX];
	ssize_t len = 0;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	if (!program)
		len = readlink(link, target, sizeof(target) - 1);
	target[len > 0 ? len : 0] = '\0';
	snprintf(name, PATH_MAX, "%s", basename(program ? program : target));
}

int settings_session_path(const char *pattern, pid_t pid, const char *program, bool several,
			  char path[PATH_MAX])
{
	char name[PATH_MAX], plain[PATH_MAX];
	bool has_pid;
	int rc;

	name_of_program(pid, program, name);
	rc = session_name_expand(pattern, pid, name, plain, sizeof(plain), &has_pid);
	if (rc)
		return rc;
	if (several && !has_pid)
		return session_name_number(plain, (unsigned int)pid, path, PATH_MAX);
	strcpy(path, plain);
	return 0;
}

void settings_kernel_path(const char *pattern, char path[PATH_MAX])
{
	size_t used = 0;
	bool named = false;

	for (const char *p = pattern; *p && used + 8 < PATH_MAX; p++) {
		if (*p != '%' || !p[1]) {
			path[used++] = *p;
			continue;
		}
		p++;
		if (*p == '%')
			path[used++] = '%';
		else
			used += (size_t)sprintf(path + used, "%s", *p == 'p' ? "kernel" : "memleak");
		named |= *p == 'p';
	}
	snprintf(path + used, PATH_MAX - used, "%s", named ? "" : ".kernel");
}

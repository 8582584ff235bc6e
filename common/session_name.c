// SPDX-License-Identifier: MIT
/* session_name.c - see session_name.h. */
#include "session_name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What stands for itself or for what is behind a %; advances *p to the end of it. */
static int put_one(const char **p, pid_t pid, const char *program, char *out, size_t size)
{
	int len;

	if (**p != '%' || !(*p)[1])
		return snprintf(out, size, "%c", *(*p)++);
	*p += 2;
	if ((*p)[-1] == 'p')
		return snprintf(out, size, "%d", (int)pid);
	if ((*p)[-1] != 'n')
		return snprintf(out, size, "%%");
	len = snprintf(out, size, "%s", program);
	for (char *slash = out; (slash = strchr(slash, '/'));)
		*slash = '_';
	return len;
}

int session_name_expand(const char *pattern, pid_t pid, const char *program, char *path,
			size_t size, bool *has_pid)
{
	size_t used = 0;

	*has_pid = false;
	while (*pattern) {
		int len;

		*has_pid |= pattern[0] == '%' && pattern[1] == 'p';
		len = put_one(&pattern, pid, program, path + used, size - used);
		if (len < 0 || (size_t)len >= size - used)
			return -ENAMETOOLONG;
		used += (size_t)len;
	}
	path[used] = '\0';
	return 0;
}

int session_name_number(const char *path, unsigned int n, char *out, size_t size)
{
	const char *base = strrchr(path, '/'), *dot = strrchr(path, '.');
	size_t stem = strlen(path);

	if (dot && dot[1] && (!base || dot > base))
		stem = (size_t)(dot - path);
	return snprintf(out, size, "%.*s.%u%s", (int)stem, path, n, path + stem) < (int)size ? 0 :
	       -ENAMETOOLONG;
}

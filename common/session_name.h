// SPDX-License-Identifier: MIT
/*
 * session_name.h - the names of sessions by a pattern, as in LIBLEAK output=: %p is the
 * pid, %n the program's name, %% a %. Thread-safe.
 */
#ifndef COMMON_SESSION_NAME_H
#define COMMON_SESSION_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Slashes in the name become '_'. *has_pid: the pattern has %p. 0 or -ENAMETOOLONG. */
int session_name_expand(const char *pattern, pid_t pid, const char *program, char *path,
			size_t size, bool *has_pid);

/* dir/path.leak becomes dir/path.N.leak. 0 or -ENAMETOOLONG. */
int session_name_number(const char *path, unsigned int n, char *out, size_t size);

#endif

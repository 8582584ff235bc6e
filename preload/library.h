// SPDX-License-Identifier: MIT
/*
 * library.h - where the files that belong to memleak are: in the build tree or
 * installed, always relative to the running program. Thread-safe.
 */
#ifndef PRELOAD_LIBRARY_H
#define PRELOAD_LIBRARY_H

#include <linux/limits.h>
#include <stdbool.h>

/*
 * The path of libleak.so: beside the program, else ../lib/memleak/libleak.so.
 * 0, -ENOENT (path: where it was looked for first) or -EINVAL (path holds a
 * blank or a colon, which LD_PRELOAD cannot express).
 */
int library_find(char path[PATH_MAX]);

/* The build of it that musl's dlopen takes, beside `library`. False: the path is too long. */
bool library_for_musl(const char *library, char path[PATH_MAX]);

/* Says on stderr what library_find() found wrong. The status for exit(): 1. */
int library_complain(int err, const char *path);

/* The path of a program installed beside this one; 0 or -ENOENT (path as above). */
int library_find_program(const char *name, char path[PATH_MAX]);

#endif

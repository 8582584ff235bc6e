// SPDX-License-Identifier: MIT
/*
 * program.h - finds the program to launch, and tells beforehand whether the
 * dynamic loader will take a preloaded library into it.
 *
 * Thread-safe. Sources: ELF gABI (PT_INTERP), ld.so(8) "Secure-execution mode",
 * execve(2) "Interpreter scripts".
 */
#ifndef PRELOAD_PROGRAM_H
#define PRELOAD_PROGRAM_H

#include <linux/limits.h>
#include <stdbool.h>

enum program_fit {
	PROGRAM_FITS = 0,	/* or cannot be told: exec will say */
	PROGRAM_STATIC,		/* no dynamic loader */
	PROGRAM_SECURE,		/* set-user-ID, set-group-ID or file capabilities */
	PROGRAM_OTHER_ARCH,	/* 32 bit, or of another machine */
	PROGRAM_OTHER_LIBC,	/* another dynamic loader than this program's own, and not musl's */
};

/*
 * Looks for `name` as execvp() does: along PATH unless it contains a slash.
 * 0, -ENOENT, or -EACCES when all that was found cannot be executed.
 */
int program_find(const char *name, char path[PATH_MAX]);

/*
 * Judges the file at `path`, or the interpreter that a script names. `object`
 * becomes the path of the file that decided.
 */
enum program_fit program_judge(const char *path, char object[PATH_MAX]);

/* Does the file at `path` name libasan, which refuses to start behind another library? */
bool program_has_asan(const char *path);

#endif

// SPDX-License-Identifier: MIT
/* session_open.h - where this process's session lives, and who it says it is. */
#ifndef PRELOAD_SESSION_OPEN_H
#define PRELOAD_SESSION_OPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "shm.h"

/* Creates the session file that @cfg asks for. *temporary: nobody asked for a name. 0 or -errno. */
int session_open(struct shm *s, const struct config *cfg, bool *temporary);

/* Is there a limit on memory (RLIMIT_AS, RLIMIT_DATA) too low to be shared with the program? */
bool session_limits_are_tight(void);

/* Does a seccomp filter look at this process's system calls? */
bool session_is_sandboxed(void);

/* Fills identity and settings of the header; strings go to SECT_STRINGS. */
void session_identify(const struct config *cfg);

/* Field 22 of /proc/self/stat, 0 when it cannot be read. */
uint64_t process_start_ticks(void);

/* Reads a small file into @buf, always NUL-terminated. Its length, 0 when it cannot be read. */
size_t read_small_file(const char *path, char *buf, size_t size);

#endif

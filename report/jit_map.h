// SPDX-License-Identifier: MIT
/*
 * jit_map.h - names of code that a process has made itself, from the file that just-in-time
 * compilers write for perf: /tmp/perf-PID.map, a line "START SIZE NAME" for each function
 * (tools/perf/Documentation/jit-interface.txt in the kernel's source).
 *
 * Anybody may write into /tmp, and pids are used again: the file has to be root's, the
 * process's or its reader's, and not older than the process. Whatever it says is text to show.
 */
#ifndef REPORT_JIT_MAP_H
#define REPORT_JIT_MAP_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct jit_map;

/*
 * Reads the map of process @pid, as it calls itself, of user @uid, which started at @since
 * (CLOCK_REALTIME, seconds; 0: unknown). @root: where its file system is, "": here. NULL:
 * there is none that can be believed.
 */
struct jit_map *jit_map_read(const char *root, uint32_t pid, uid_t uid, time_t since);
void jit_map_free(struct jit_map *map);	/* NULL is allowed */

/*
 * The function at @addr, the last one that was put there, and where it starts. NULL: none.
 * The name lives as long as the map.
 */
const char *jit_map_find(const struct jit_map *map, uint64_t addr, uint64_t *start);

#endif

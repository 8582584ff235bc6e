// SPDX-License-Identifier: MIT
/*
 * engine.h - how a program or process is recorded: by libleak.so, or, where that
 * cannot be loaded, by kagent through uprobes, if memleak may. Says on stderr when
 * it is the latter and was not asked for. Belongs to one thread.
 */
#ifndef PRELOAD_ENGINE_H
#define PRELOAD_ENGINE_H

#include <linux/limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "preload/settings.h"

/*
 * Is the command to be run by uprobes? program: the path of the file that will be
 * executed, or empty.
 */
bool engine_probes_command(const struct settings *s, char program[PATH_MAX]);

/*
 * *engine is SHIM or UPROBE for a process that runs. 0, or a status for exit() after
 * having said what is in the way.
 */
int engine_for_process(const struct settings *s, pid_t pid, enum settings_engine *engine);

/* libleak.so cannot be loaded into the process, for this reason: are uprobes to be used? */
bool engine_probes_instead(const struct settings *s, pid_t pid, const char *sentence);

#endif

// SPDX-License-Identifier: MIT
/*
 * engine.h - how a program or process is recorded: by libleak.so, or, where that
 * cannot be loaded, by kagent through uprobes, if memleak may. Says on stderr when
 * it is the latter. Belongs to one thread.
 */
#ifndef PRELOAD_ENGINE_H
#define PRELOAD_ENGINE_H

#include <linux/limits.h>

#include "preload/settings.h"

/*
 * *engine is SHIM or UPROBE. program: for UPROBE and a command to run, the path of the
 * file that is executed. 0, or a status for exit() after having said what is in the way.
 */
int engine_choose(const struct settings *s, enum settings_engine *engine,
		  char program[PATH_MAX]);

#endif

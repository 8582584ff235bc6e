// SPDX-License-Identifier: MIT
/* hooks_exit.c - the ways out of a process that run no handlers, and dlclose. */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include "lifecycle.h"
#include "modules.h"
#include "real.h"
#include "recorder.h"
#include "sys.h"

static _Noreturn void leave(int status)
{
	lifecycle_end(SESSION_END_UEXIT, status);
	if (real.resolved && real.exit_now)
		real.exit_now(status);
	for (;;)
		syscall(SYS_exit_group, status);
}

EXPORT _Noreturn void _exit(int status)
{
	leave(status);
}

EXPORT _Noreturn void _Exit(int status)
{
	leave(status);
}

/* Unloading is the one time when code goes away: see modules.h. */
EXPORT int dlclose(void *handle)
{
	struct thread_state *t;
	int ret;

	if (!real.resolved)
		real_resolve();
	if (!real.dlclose)
		return -1;
	ret = real.dlclose(handle);
	t = recorder_enter();
	if (t) {
		modules_check();
		recorder_leave(t);
	}
	return ret;
}

// SPDX-License-Identifier: MIT
/*
 * hooks_exit.c - calls after which the recorder must behave differently: the ways
 * out of a process that run no handlers, dlclose, and entering a seccomp sandbox.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "huge.h"
#include "lifecycle.h"
#include "module_watch.h"
#include "real.h"
#include "recorder.h"
#include "sys.h"

static _Noreturn void leave(int status)
{
	lifecycle_end(SESSION_END_UEXIT, status);
	if (real.resolved && real.exit_now)
		real.exit_now(status);
	for (;;)
		sys_raw(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

EXPORT _Noreturn void _exit(int status)
{
	leave(status);
}

EXPORT _Noreturn void _Exit(int status)
{
	leave(status);
}

/*
 * A filter may kill the process for a call that the program never makes. So from
 * here on the recorder makes none: it does not grow, and prints no report.
 */
static void freeze(void)
{
	/* The last moment for it. */
	if (lifecycle_started() && !recorder_gate.gate.generation)
		lifecycle_start();
	recorder.frozen = true;
	recorder.shm.frozen = true;
	huge_stop();
}

EXPORT int prctl(int op, ...)
{
	long arg[4];
	va_list ap;

	va_start(ap, op);
	for (int i = 0; i < 4; i++)
		arg[i] = va_arg(ap, long);
	va_end(ap);
	if (op == PR_SET_SECCOMP)
		freeze();
	return (int)sys_call(SYS_prctl, op, arg[0], arg[1], arg[2], arg[3], 0);
}

/* libseccomp and others have no wrapper to call. */
EXPORT long syscall(long number, ...)
{
	long arg[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_seccomp || (number == SYS_prctl && arg[0] == PR_SET_SECCOMP))
		freeze();
	return sys_call(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

/* Unloading is the one time when code goes away: see module_watch.h. */
EXPORT int dlclose(void *handle)
{
	struct thread_state *t;
	int ret;

	if (!real.resolved)
		real_resolve();
	if (!real.dlclose)	/* glibc before 2.34: its library was loaded later */
		*(void **)&real.dlclose = real_symbol("dlclose");
	if (!real.dlclose)
		return -1;
	ret = real.dlclose(handle);
	t = recorder_enter();
	if (t) {
		module_watch_dlclose();
		recorder_leave(t);
	}
	return ret;
}

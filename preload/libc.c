// SPDX-License-Identifier: MIT
/* libc.c - see libc.h. */
#include "libc.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"

/* glibc's. Its at_quick_exit and pthread_atfork are not in the shared library, but call these. */
WEAK_IMPORT(on_exit);
extern int __cxa_at_quick_exit(void (*fn)(void *), void *dso) __attribute__((weak));
extern int __register_atfork(void (*before)(void), void (*parent)(void), void (*child)(void),
			     void *dso) __attribute__((weak));
WEAK_IMPORT(strerrordesc_np);

/* musl's */
WEAK_IMPORT(at_quick_exit);
WEAK_IMPORT(pthread_atfork);

static void (*at_exit)(int status, bool last);
static bool destructed_last;
static void (*at_quick_exit_fn)(void);

static void exit_handler(int status, void *arg)
{
	(void)arg;
	at_exit(status, true);
}

void libc_at_exit(void (*fn)(int status, bool last), bool preloaded)
{
	at_exit = fn;
	destructed_last = preloaded;
	if (on_exit)
		on_exit(exit_handler, NULL);
}

/* musl's way: destructors run in the order of constructors, the other way round. */
__attribute__((destructor)) static void last_destructor(void)
{
	if (!on_exit && at_exit)
		at_exit(0, destructed_last);
}

static void quick_exit_handler(void *arg)
{
	(void)arg;
	at_quick_exit_fn();
}

void libc_at_quick_exit(void (*fn)(void))
{
	at_quick_exit_fn = fn;
	if (__cxa_at_quick_exit)
		__cxa_at_quick_exit(quick_exit_handler, NULL);
	else if (at_quick_exit)
		at_quick_exit(fn);
}

void libc_at_fork(void (*fn)(void))
{
	if (__register_atfork)
		__register_atfork(NULL, NULL, fn, NULL);
	else if (pthread_atfork)
		pthread_atfork(NULL, NULL, fn);
}

const char *libc_error_text(int err)
{
	return strerrordesc_np ? strerrordesc_np(err) : strerror(err);
}

// SPDX-License-Identifier: MIT
/* libc.c - see libc.h. */
#include "libc.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "elf_object.h"
#include "objects_listed.h"

/* glibc's. Its at_quick_exit and pthread_atfork are not in the shared library, but call these. */
WEAK_IMPORT(on_exit);
extern int __cxa_at_quick_exit(void (*fn)(void *), void *dso) __attribute__((weak));
extern int __register_atfork(void (*before)(void), void (*parent)(void), void (*child)(void),
			     void *dso) __attribute__((weak));
extern const char *strerrordesc_np(int err) __attribute__((weak));

/* glibc's before 2.34: only if libpthread is loaded. */
WEAK_IMPORT(pthread_key_create);
WEAK_IMPORT(pthread_setspecific);

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

/* ---- the end of threads ------------------------------------------------------------ */

enum { NOT_MADE, BEING_MADE, MADE };

static struct {
	int state;
	pthread_key_t key;
	__typeof__(pthread_key_create) *create;
	__typeof__(pthread_setspecific) *set;
} at_thread_end;

static void *function_of(const struct elf_object *o, const char *name)
{
	const struct elf_name n = elf_name(name);
	uint32_t state = 0, at = elf_object_function(o, &n, &state);

	return at ? (void *)(o->bias + o->symtab[at].st_value) : NULL;
}

/* Those of a libpthread that was loaded later than this library. (It is never unloaded.) */
static bool find_late(void)
{
	struct elf_object libpthread;
	struct object o;

	if (!objects_find_named("/libpthread", &o) || !elf_object_at(&libpthread, o.start))
		return false;
	*(void **)&at_thread_end.create = function_of(&libpthread, "pthread_key_create");
	*(void **)&at_thread_end.set = function_of(&libpthread, "pthread_setspecific");
	return at_thread_end.create && at_thread_end.set;
}

static int make_key(void (*fn)(void *))
{
	at_thread_end.create = pthread_key_create;
	at_thread_end.set = pthread_setspecific;
	if (!at_thread_end.create && !find_late())
		return -ENOSYS;
	return at_thread_end.create(&at_thread_end.key, fn) ? -EAGAIN : 0;
}

/* (Who comes while another thread is at it does without: its own end is not noticed.) */
int libc_at_thread_end(void (*fn)(void *))
{
	int was = NOT_MADE, ret;

	if (!__atomic_compare_exchange_n(&at_thread_end.state, &was, BEING_MADE, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
		return was == MADE ? 0 : -ENOSYS;
	ret = make_key(fn);
	__atomic_store_n(&at_thread_end.state, ret ? NOT_MADE : MADE, __ATOMIC_RELEASE);
	return ret;
}

void libc_keep(void *p)
{
	at_thread_end.set(at_thread_end.key, p);
}

/* -------------------------------------------------------------------------------------- */

const char *libc_error_text(int err)
{
	return strerrordesc_np ? strerrordesc_np(err) : strerror(err);
}

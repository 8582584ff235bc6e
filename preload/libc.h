// SPDX-License-Identifier: MIT
/*
 * libc.h - what C libraries offer differently. libleak.so is loaded by the loaders of
 * glibc, also of older versions, and of musl: it needs nothing that one of them does not
 * have. What only some have is referred to weakly, here and in the few files that say
 * so, and looked at when the program runs. (Types that cross the border have the same
 * layout in all on x86-64; tests/lint/libc_symbols.test watches the names.)
 *
 * Before 2.34, glibc had its threads in libpthread and dlopen's family in libdl (see
 * libdl.h): a program need not have them, or loads them later. References name no
 * versions, which older ones would lack: glibc then takes the oldest.
 */
#ifndef PRELOAD_LIBC_H
#define PRELOAD_LIBC_H

#include <stdbool.h>

extern const char *gnu_get_libc_version(void) __attribute__((weak));

static inline bool libc_is_musl(void)
{
	return !gnu_get_libc_version;
}

/*
 * @fn shall be called when the program exits, behind everything else that runs then:
 * handlers, destructors of every library. Its status, where the C library tells it,
 * else 0. To be called once, while constructors run (@preloaded); or later, and then
 * musl has no moment for it that would not come before others' destructors: not @last.
 */
void libc_at_exit(void (*fn)(int status, bool last), bool preloaded);

/* The same for quick_exit(). */
void libc_at_quick_exit(void (*fn)(void));

/* @fn shall be called in forked children. */
void libc_at_fork(void (*fn)(void));

/*
 * @fn shall be called at the end of each thread that has told libc_keep() of a pointer,
 * with that; in rounds, as destructors of pthread keys are. 0; -ENOSYS: there are no
 * threads, yet; or -EAGAIN. May be called again. Takes no lock of others.
 */
int libc_at_thread_end(void (*fn)(void *));

/* After libc_at_thread_end(). May allocate. */
void libc_keep(void *p);

/* What errno @err means; NULL: unknown. Untranslated; allocates nothing. */
const char *libc_error_text(int err);

#endif

// SPDX-License-Identifier: MIT
/*
 * libc.h - what C libraries offer differently. libleak.so is loaded by glibc's and by
 * musl's loader: it needs nothing of glibc that musl does not have. What only one of
 * them has is referred to weakly, here and in the few files that say so, and looked
 * at when the program runs. (Types that cross the border have the same layout in both
 * on x86-64; tests/lint/musl_symbols.test watches the names.)
 */
#ifndef PRELOAD_LIBC_H
#define PRELOAD_LIBC_H

#include <stdbool.h>

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

/* What errno @err means; NULL: unknown. Untranslated; allocates nothing. */
const char *libc_error_text(int err);

#endif

// SPDX-License-Identifier: MIT
/*
 * got.h - makes a running process call libleak's hooks, and undoes it.
 *
 * Every exported function of libleak.so but libleak_*() is a hook. Its real
 * function is what the program's own calls reach: the first definition among the
 * objects, in the order in which they were loaded. Redirecting changes
 *  - pointers that the loader has bound to a real function: GOT entries
 *    (R_X86_64_JUMP_SLOT, GLOB_DAT) and initialised data (R_X86_64_64);
 *  - the value of the real function's symbol in its library's symbol table (in
 *    memory), which is what the loader binds entries to that are bound lazily or
 *    belong to libraries loaded later, and what dlsym() returns.
 * Nothing is remembered per entry: undoing turns every bound pointer to a hook
 * into one to the real function, which is what the loader would have put there.
 * Pages that are read-only are made writable for the moment.
 *
 * What stays out of reach: pointers that the program has copied elsewhere, and
 * calls within the library that defines the function. Sources: ELF gABI ch. 5,
 * System V psABI x86-64 4.4.1.
 *
 * One caller at a time; other threads run on.
 */
#ifndef PRELOAD_GOT_H
#define PRELOAD_GOT_H

#include <stdbool.h>

/*
 * Finds the hooks and their real functions. To be called before got_redirect()
 * each time, while nothing is redirected. 0; -ENOENT: none was found; -ENOTSUP: malloc
 * is chosen by a function of its library (an IFUNC), so that its symbol does not tell.
 */
int got_prepare(void);

/* The real function of a hook, or NULL. Valid after got_prepare(). */
void *got_real(const char *name);

/* Leads calls to the hooks: those that give memory back before those that take it. */
void got_redirect(void);

/* Leads them to the real functions again. */
void got_restore(void);

#endif

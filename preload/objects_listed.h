// SPDX-License-Identifier: MIT
/*
 * objects_listed.h - objects.h for loaders that can only be asked for all objects:
 * musl's, and glibc's before 2.35.
 *
 * dl_iterate_phdr waits for whatever dlopen another thread is in: it is called at the
 * start only. Later, the list that loaders keep for debuggers (struct r_debug of
 * link.h, which the program's DT_DEBUG names) is followed. What it leads to may be
 * going away meanwhile: it is read by a system call that refuses what is not mapped.
 *
 *  - musl never unloads an object, but takes away those of a dlopen that fails: one is
 *    taken only when the address that is looked for, from which a thread of ours has
 *    called, lies in it or in one that came later. It is there to stay, then.
 *  - glibc unloads what was loaded later than itself. Such a one is valid as long as
 *    its neighbour in the loader's list leads to it: looked at each time.
 */
#ifndef PRELOAD_OBJECTS_LISTED_H
#define PRELOAD_OBJECTS_LISTED_H

#include "objects.h"

/* Takes all that are loaded now. No other call is under way. */
void objects_list(void);

bool objects_find_listed(uintptr_t addr, struct object *o);

void objects_unloaded_listed(void);

/* One in whose path there is @part. */
bool objects_find_named(const char *part, struct object *o);

#endif

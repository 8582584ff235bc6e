// SPDX-License-Identifier: MIT
/*
 * objects_listed.h - objects.h for loaders that can only be asked for all objects
 * (musl's), and never unload one.
 *
 * dl_iterate_phdr waits for whatever dlopen another thread is in: it is called at the
 * start only. Later, the list that loaders keep for debuggers (struct r_debug of
 * link.h, which musl exports as _dl_debug_addr) is followed behind the last object
 * that is known to stay. What it leads to may be going away meanwhile, when a dlopen
 * fails: it is read by a system call that refuses what is not mapped, and an object is
 * taken only when the address that is looked for, from which a thread of ours has
 * called, lies in it or in one that came later.
 */
#ifndef PRELOAD_OBJECTS_LISTED_H
#define PRELOAD_OBJECTS_LISTED_H

#include "objects.h"

/* Takes all that are loaded now. No other call is under way. */
void objects_list(void);

bool objects_find_listed(uintptr_t addr, struct object *o);

#endif

// SPDX-License-Identifier: MIT
/*
 * modules.h - the mapped objects, and noticing when they change.
 *
 * The loader counts loads and unloads (dl_iterate_phdr's dlpi_adds, dlpi_subs).
 * They are looked at when a stack is seen for the first time and after dlclose,
 * never per event. An unload voids recipes and kept stacks;
 * when another object takes over the addresses of one that is gone, the epoch
 * advances, so that older stacks keep their names.
 */
#ifndef PRELOAD_MODULES_H
#define PRELOAD_MODULES_H

#include <stdbool.h>
#include <stdint.h>

/* Records all objects that are mapped now. 0 or -errno. */
int modules_init(void);

/* Notices what was loaded or unloaded since the last call. Busy threads only; no lock held. */
void modules_check(void);

/* In a forked child, once its session holds a copy of the parent's modules. */
void modules_after_fork(void);

/* Adds @s to SECT_STRINGS; its offset, 0 when there is no room. Under the growth lock. */
uint32_t session_string(const char *s);

#endif

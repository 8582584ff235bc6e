// SPDX-License-Identifier: MIT
/*
 * modules.h - the mapped objects, in the session.
 *
 * All that are mapped at the start are recorded then, later ones when a stack leads
 * through them (module_watch.h). When an object takes over the addresses of one that
 * is gone, the epoch advances, so that older stacks keep their names.
 */
#ifndef PRELOAD_MODULES_H
#define PRELOAD_MODULES_H

#include <stdbool.h>
#include <stdint.h>

#include "objects.h"

/* Records all objects that are mapped now. 0 or -errno. */
int modules_init(void);

/* Records the object unless it is known. True: the epoch has advanced. No lock held. */
bool modules_add(const struct object *o);

/* Adds @s to SECT_STRINGS; its offset, 0 when there is no room. Under the growth lock. */
uint32_t session_string(const char *s);

#endif

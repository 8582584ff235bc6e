// SPDX-License-Identifier: MIT
/*
 * idle.h - the free objects that CPUs keep to themselves, per slab cache: slabinfo
 * counts them as active. See idle.bpf.c. One thread at a time.
 */
#ifndef KAGENT_IDLE_H
#define KAGENT_IDLE_H

#include "kagent/slab_events.h"

#include <stddef.h>
#include <stdint.h>

struct idle_list;

/* Loads the program; pages as verdicts_pages() tells. 0 or -errno: not on this kernel. */
int idle_open(struct ka_pages pages, struct idle_list **out);
void idle_close(struct idle_list *l);	/* NULL is allowed */

/* Looks anew. 0 or -errno. */
int idle_refresh(struct idle_list *l);

/* Free objects that CPUs held of the cache of this name; 0 for unknown ones and NULL. */
uint64_t idle_objects(const struct idle_list *l, const char *cache);

/* The address of a cache, 0: there is none of this name. */
uint64_t idle_find(const struct idle_list *l, const char *cache);

#endif

// SPDX-License-Identifier: MIT
/*
 * stack_table.h - distinct stacks: from a stack's hash to its index in
 * SECT_STACKS.
 *
 * Look-ups take no lock: open addressing over words that hold 42 bits of the
 * hash and the index. Another 12 or more bits of the hash choose the place.
 * Inserting is serialised by the recorder's growth lock; a full table is copied
 * into one of twice the size, and the old one stays, for readers that still look
 * at it. Where the hashes are equal, an insert compares the frames: stacks that
 * collide get another hash instead of being merged.
 *
 * A look-up believes what a word holds of the hash. A stack that is not in the table
 * yet is taken for one that is with a chance of less than 2^-38 (the words that it is
 * compared with are few), so one of a million such stacks with 1 : 250,000.
 */
#ifndef PRELOAD_STACK_TABLE_H
#define PRELOAD_STACK_TABLE_H

#include <stdint.h>

#include "stack_capture.h"

#define STACK_NONE	0u
#define STACK_INDEX_OVERFLOW 1u	/* SECT_STACKS[1]: whatever found no room */

/*
 * A new session: sets up the sections and stack 1, forgets older stacks. 0 or
 * -errno. No thread may be recording. (A forked child copies its parent's
 * sections, and the table stays right.)
 */
int stack_table_init(void);

/*
 * Objects were unloaded: what is at their addresses now may be other code. Stacks
 * are inserted anew as they come, and find their old place if that is as it was.
 * Under the growth lock.
 */
void stack_table_doubt(void);

/* Bytes of memory of the table itself. */
uint64_t stack_table_bytes(void);

/* The index of the stack in @view of @c, inserted when new. Never fails: overflow stack. */
uint32_t stack_table_index(const struct frame_cache *c, const struct stack_view *view);

#endif

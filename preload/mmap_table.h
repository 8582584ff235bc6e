// SPDX-License-Identifier: MIT
/*
 * mmap_table.h - regions mapped with mmap: from an address range to records.
 *
 * A sorted array (with a gap) under one lock: these calls enter the kernel, which takes a
 * lock of its own on the address space, so ours costs nothing that matters. The
 * lock is held across the real call, so that the table changes in the same
 * order as the address space. Regions can be cut and split by munmap and by
 * MAP_FIXED; a part keeps the stack and time of the whole.
 *
 * What is mapped without any access (PROT_NONE) is no memory but reserved addresses: in
 * the table, not in a record, until mprotect makes it, or a part of it, accessible. That
 * call has allocated it then. (To take the access away again gives nothing back.)
 *
 * Sizes are recorded in 4 KiB pages (REC_MMAP).
 */
#ifndef PRELOAD_MMAP_TABLE_H
#define PRELOAD_MMAP_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/session_record.h"
#include "recorder.h"

void mmap_table_lock(void);
void mmap_table_unlock(void);

/* [addr, addr + len) was mapped anew: what was recorded there ends. Under the lock. */
void mmap_table_add(struct thread_state *t, uintptr_t addr, size_t len,
		    const struct frame_regs *from);

/* The same without access. Under the lock. */
void mmap_table_reserve(struct thread_state *t, uintptr_t addr, size_t len);

/* What of [addr, addr + len) is reserved has been made accessible. Under the lock. */
void mmap_table_open(struct thread_state *t, uintptr_t addr, size_t len,
		     const struct frame_regs *from);

/* Is anything reserved? */
bool mmap_table_any_reserved(void);

/* Is the page at @addr? Under the lock. */
bool mmap_table_is_reserved(uintptr_t addr);

/* [addr, addr + len) is no longer what it was. Under the lock. */
void mmap_table_remove(struct thread_state *t, uintptr_t addr, size_t len);

/* Forgets all regions: a new session. No thread may be recording. */
void mmap_table_reset(void);

/* In a forked child. What another thread was changing at the fork is forgotten whole. */
void mmap_table_after_fork(void);

/* Was @b, as record @record has it, a region of this process when it was forked? */
bool mmap_table_has(uint32_t record, const struct session_block *b);

/* Forgets the regions whose records the child has not taken over. */
void mmap_table_keep_inherited(void);

#endif

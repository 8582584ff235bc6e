// SPDX-License-Identifier: MIT
/*
 * live_table.h - the live allocations: from an address to its record.
 *
 * An address-indexed shadow in two levels: one u32 record index per 32 bytes of
 * address space, in leaves of 64 MiB each, private and touched lazily: a page at a
 * time, or 2 MiB where the heap has used all of the 2 MiB beside them. No lock:
 * between malloc's return and free an address belongs to one caller, and so do
 * its shadow slot and its record. The records themselves are in the session
 * (SECT_RECORDS); they carry the address, so a reader needs no shadow.
 *
 * Two live blocks must not share 32 bytes: glibc's smallest block is 32 bytes
 * apart from the next; for other allocators hooks round small requests up.
 */
#ifndef PRELOAD_LIVE_TABLE_H
#define PRELOAD_LIVE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/session_format.h"
#include "compiler.h"

#define GRANULE_SHIFT	5
#define LEAF_SHIFT	26
#define ADDRESS_BITS	REC_ADDR_BITS
#define LEAF_SLOTS	(1u << (LEAF_SHIFT - GRANULE_SHIFT))
#define ROOT_SLOTS	(1u << (ADDRESS_BITS - LEAF_SHIFT))

extern uint32_t **live_root __attribute__((visibility("hidden")));

/* 0 or -ENOMEM. Once. */
int live_init(void);

/* Forgets every block. No thread may be recording. */
void live_reset(void);

/* Bytes of memory that the shadow occupies now. */
uint64_t live_resident_bytes(void);

/* The leaf for @addr, made when missing. NULL: no memory. */
COLD uint32_t *live_make_leaf(uintptr_t addr);

/* The first time that something is recorded near @addr, which is the caller's. */
COLD void live_begin_page(uint32_t *leaf, uintptr_t addr);

/* May a block be recorded at @addr? */
static ALWAYS_INLINE bool live_address(uintptr_t addr)
{
	return !(addr & ~(((1ull << ADDRESS_BITS) - 1) >> REC_ALIGN_SHIFT << REC_ALIGN_SHIFT));
}

/* The leaf of @addr, or NULL: none was made. @root: live_root. @addr below 2^ADDRESS_BITS. */
static ALWAYS_INLINE uint32_t *live_leaf(uint32_t **root, uintptr_t addr)
{
	return __atomic_load_n(&root[addr >> LEAF_SHIFT], __ATOMIC_ACQUIRE);
}

static ALWAYS_INLINE uint32_t *live_slot_of(uint32_t *leaf, uintptr_t addr)
{
	return &leaf[(addr >> GRANULE_SHIFT) & (LEAF_SLOTS - 1)];
}

/* The shadow slot of @addr, or NULL when nothing near it was ever recorded. */
static ALWAYS_INLINE uint32_t *live_slot(uintptr_t addr)
{
	uint32_t *leaf;

	if (unlikely(!live_address(addr)))
		return NULL;
	leaf = live_leaf(live_root, addr);
	return leaf ? live_slot_of(leaf, addr) : NULL;
}

/*
 * Behind a leaf's slots is a byte for each page of them, 0 or 1: was something ever
 * recorded there? With sampling mostly not, and then such a page isn't read: that
 * alone would be a page fault, and later a line of the cache.
 */
#define SLOTS_PER_PAGE_SHIFT 10

static ALWAYS_INLINE uint8_t *live_page(uint32_t *leaf, uintptr_t addr)
{
	return (uint8_t *)(leaf + LEAF_SLOTS) +
	       ((addr >> GRANULE_SHIFT & (LEAF_SLOTS - 1)) >> SLOTS_PER_PAGE_SHIFT);
}

static ALWAYS_INLINE bool live_page_is_used(uint32_t *leaf, uintptr_t addr)
{
	return __atomic_load_n(live_page(leaf, addr), __ATOMIC_RELAXED);
}

/* The slot of @addr if a block may be recorded in it, else NULL. */
static ALWAYS_INLINE uint32_t *live_slot_used(uintptr_t addr)
{
	uint32_t *leaf;

	if (unlikely(!live_address(addr)))
		return NULL;
	leaf = live_leaf(live_root, addr);
	return leaf && live_page_is_used(leaf, addr) ? live_slot_of(leaf, addr) : NULL;
}

/* The same, made when missing. NULL: no memory, or no user address. */
static ALWAYS_INLINE uint32_t *live_slot_make(uintptr_t addr)
{
	uint32_t *leaf;

	if (unlikely(!live_address(addr)))
		return NULL;
	leaf = live_leaf(live_root, addr);
	if (unlikely(!leaf)) {
		leaf = live_make_leaf(addr);
		if (!leaf)
			return NULL;
	}
	if (unlikely(!live_page_is_used(leaf, addr)))
		live_begin_page(leaf, addr);
	return live_slot_of(leaf, addr);
}

#endif

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

/* The shadow slot of @addr, or NULL when nothing near it was ever recorded. @root: live_root. */
static ALWAYS_INLINE uint32_t *live_slot_in(uint32_t **root, uintptr_t addr)
{
	uint32_t *leaf;

	if (unlikely(!live_address(addr)))
		return NULL;
	leaf = __atomic_load_n(&root[addr >> LEAF_SHIFT], __ATOMIC_ACQUIRE);
	return leaf ? &leaf[(addr >> GRANULE_SHIFT) & (LEAF_SLOTS - 1)] : NULL;
}

static ALWAYS_INLINE uint32_t *live_slot(uintptr_t addr)
{
	return live_slot_in(live_root, addr);
}

/*
 * Behind a leaf's slots is a bit for each page of them: was something ever recorded
 * there? With sampling mostly not, and then such a page isn't read: that alone would
 * be a page fault, and later a line of the cache.
 */
#define SLOTS_PER_BIT_SHIFT 10

static ALWAYS_INLINE uint64_t *live_page_bits(uint32_t *leaf, uintptr_t addr, uint64_t *bit)
{
	uintptr_t page = ((addr >> GRANULE_SHIFT) & (LEAF_SLOTS - 1)) >> SLOTS_PER_BIT_SHIFT;

	*bit = 1ull << page % 64;
	return (uint64_t *)(leaf + LEAF_SLOTS) + page / 64;
}

/* The slot of @addr if a block may be recorded in it, else NULL. */
static ALWAYS_INLINE uint32_t *live_slot_used(uint32_t **root, uintptr_t addr)
{
	uint32_t *slot = live_slot_in(root, addr), *leaf;
	uint64_t bit, *bits;

	if (!slot)
		return NULL;
	leaf = slot - ((addr >> GRANULE_SHIFT) & (LEAF_SLOTS - 1));
	bits = live_page_bits(leaf, addr, &bit);
	return __atomic_load_n(bits, __ATOMIC_RELAXED) & bit ? slot : NULL;
}

/* The same, made when missing. NULL: no memory, or no user address. */
static ALWAYS_INLINE uint32_t *live_slot_make(uintptr_t addr)
{
	uint32_t *slot = live_slot(addr), *leaf;
	uint64_t bit, *bits;

	if (unlikely(!slot) && live_address(addr)) {
		leaf = live_make_leaf(addr);
		slot = leaf ? &leaf[(addr >> GRANULE_SHIFT) & (LEAF_SLOTS - 1)] : NULL;
	}
	if (unlikely(!slot))
		return NULL;
	leaf = slot - ((addr >> GRANULE_SHIFT) & (LEAF_SLOTS - 1));
	bits = live_page_bits(leaf, addr, &bit);
	if (unlikely(!(__atomic_load_n(bits, __ATOMIC_RELAXED) & bit)))
		live_begin_page(leaf, addr);
	return slot;
}

#endif

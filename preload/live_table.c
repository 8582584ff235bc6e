// SPDX-License-Identifier: MIT
/* live_table.c - see live_table.h. */
#include "live_table.h"

#include <errno.h>
#include <string.h>

#include "early_arena.h"
#include "huge.h"
#include "sys.h"

#define LEAF_BYTES (LEAF_SLOTS * sizeof(uint32_t))

/* A leaf has parts, each of which may be a huge page. */
#define PARTS_SHIFT	2
#define PARTS		(1u << PARTS_SHIFT)
#define PART_SHIFT	(LEAF_SHIFT - PARTS_SHIFT)	/* of an address: number of its part */
#define PAGE_SHIFT	(GRANULE_SHIFT + SLOTS_PER_PAGE_SHIFT)	/* of an address, too */
#define PART_PAGES	((LEAF_SLOTS >> SLOTS_PER_PAGE_SHIFT) / PARTS)	/* small ones */
#define PART_DENSE	(PART_PAGES / 8 * 7)		/* of them are in use */

static_assert(LEAF_BYTES == PARTS * HUGE_PAGE, "a part is a huge page");

/* Behind a leaf's slots, on a page of its own. */
#define LINK_BYTES 4096u
struct leaf_link {
	uint8_t used[PARTS * PART_PAGES];	/* live_page() */
	uint32_t begun[PARTS];	/* how many of these, without the early arena's */
	uint32_t *next;		/* all leaves, for live_reset() */
	uintptr_t number;	/* addresses >> LEAF_SHIFT */
};

uint32_t **live_root;
static uint32_t *all_leaves;

static struct leaf_link *link_of(uint32_t *leaf)
{
	return (struct leaf_link *)(leaf + LEAF_SLOTS);
}

int live_init(void)
{
	if (live_root)
		return 0;
	live_root = sys_reserve(ROOT_SLOTS * sizeof(*live_root));
	if (!live_root)
		return -ENOMEM;
	huge_none(live_root, ROOT_SLOTS * sizeof(*live_root));
	return 0;
}

/*
 * Blocks of the early arena are told by their address, where a slot is empty. So that
 * nobody has to look who finds a page without slots, its pages are counted as used.
 */
static void mark_early_arena(uint32_t *leaf, uintptr_t number)
{
	uintptr_t end = (uintptr_t)early_arena + EARLY_ARENA_BYTES - 1;
	uintptr_t page = (uintptr_t)early_arena >> PAGE_SHIFT;

	for (; page <= end >> PAGE_SHIFT; page++)
		if (page >> (LEAF_SHIFT - PAGE_SHIFT) == number)
			*live_page(leaf, page << PAGE_SHIFT) = 1;
}

uint32_t *live_make_leaf(uintptr_t addr)
{
	uint32_t **place = &live_root[addr >> LEAF_SHIFT];
	uint32_t *leaf = sys_reserve_aligned(LEAF_BYTES + LINK_BYTES, HUGE_PAGE), *other = NULL;

	if (!leaf)
		return NULL;
	huge_none(leaf, LEAF_BYTES);
	mark_early_arena(leaf, addr >> LEAF_SHIFT);
	link_of(leaf)->number = addr >> LEAF_SHIFT;
	if (!__atomic_compare_exchange_n(place, &other, leaf, 0, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		sys_munmap(leaf, LEAF_BYTES + LINK_BYTES);
		return other;
	}
	link_of(leaf)->next = __atomic_load_n(&all_leaves, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&all_leaves, &link_of(leaf)->next, leaf, 0,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	return leaf;
}

static uint32_t pages_begun(uintptr_t part)
{
	uint32_t *leaf = NULL;

	if (part < (uintptr_t)ROOT_SLOTS * PARTS)
		leaf = __atomic_load_n(&live_root[part >> PARTS_SHIFT], __ATOMIC_ACQUIRE);
	return leaf ? __atomic_load_n(&link_of(leaf)->begun[part % PARTS], __ATOMIC_RELAXED) : 0;
}

/* Heaps grow upwards or downwards, and a part that follows a full one will be full. */
static bool will_be_dense(uintptr_t part)
{
	return !pages_begun(part) &&
	       (pages_begun(part - 1) >= PART_DENSE || pages_begun(part + 1) >= PART_DENSE);
}

/* Written to first: a page that is read first is faulted twice. */
void live_begin_page(uint32_t *leaf, uintptr_t addr)
{
	uintptr_t part = addr >> PART_SHIFT;
	uint32_t *slot = live_slot(addr);

	if (will_be_dense(part))
		huge_private(leaf + LEAF_SLOTS / PARTS * (part % PARTS), slot);
	else
		__atomic_store_n(slot, 0, __ATOMIC_RELAXED);
	if (!__atomic_exchange_n(live_page(leaf, addr), 1, __ATOMIC_RELAXED))
		__atomic_fetch_add(&link_of(leaf)->begun[part % PARTS], 1, __ATOMIC_RELAXED);
}

void live_reset(void)
{
	for (uint32_t *leaf = all_leaves; leaf; leaf = link_of(leaf)->next) {
		sys_madvise(leaf, LEAF_BYTES, MADV_DONTNEED);
		huge_none(leaf, LEAF_BYTES);
		memset(link_of(leaf), 0, offsetof(struct leaf_link, next));
		mark_early_arena(leaf, link_of(leaf)->number);
	}
}

uint64_t live_resident_bytes(void)
{
	uint64_t bytes = 0;

	for (uint32_t *leaf = all_leaves; leaf; leaf = link_of(leaf)->next)
		bytes += sys_resident(leaf, LEAF_BYTES);
	return bytes;
}

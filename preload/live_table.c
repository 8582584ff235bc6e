// SPDX-License-Identifier: MIT
/* live_table.c - see live_table.h. */
#include "live_table.h"

#include <errno.h>

#include "sys.h"

#define LEAF_BYTES (LEAF_SLOTS * sizeof(uint32_t))

/* Behind a leaf's slots, on a page of its own. */
struct leaf_link {
	uint64_t used[(LEAF_SLOTS >> SLOTS_PER_BIT_SHIFT) / 64];	/* live_page_bits() */
	uint32_t *next;		/* all leaves, for live_reset() */
};

uint32_t **live_root;
static uint32_t *all_leaves;

static struct leaf_link *link_of(uint32_t *leaf)
{
	return (struct leaf_link *)(leaf + LEAF_SLOTS);
}

int live_init(void)
{
	if (!live_root)
		live_root = sys_reserve(ROOT_SLOTS * sizeof(*live_root));
	return live_root ? 0 : -ENOMEM;
}

uint32_t *live_make_leaf(uintptr_t addr)
{
	uint32_t **place = &live_root[addr >> LEAF_SHIFT];
	uint32_t *leaf = sys_reserve(LEAF_BYTES + sizeof(struct leaf_link)), *other = NULL;

	if (!leaf)
		return NULL;
	if (!__atomic_compare_exchange_n(place, &other, leaf, 0, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		sys_munmap(leaf, LEAF_BYTES + sizeof(struct leaf_link));
		return other;
	}
	link_of(leaf)->next = __atomic_load_n(&all_leaves, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&all_leaves, &link_of(leaf)->next, leaf, 0,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	return leaf;
}

void live_reset(void)
{
	for (uint32_t *leaf = all_leaves; leaf; leaf = link_of(leaf)->next)
		sys_madvise(leaf, LEAF_BYTES, MADV_DONTNEED);
}

uint64_t live_resident_bytes(void)
{
	uint64_t bytes = 0;

	for (uint32_t *leaf = all_leaves; leaf; leaf = link_of(leaf)->next)
		bytes += sys_resident(leaf, LEAF_BYTES);
	return bytes;
}

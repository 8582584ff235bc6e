// SPDX-License-Identifier: MIT
/* live_table.c - see live_table.h. */
#include "live_table.h"

#include <errno.h>

#include "sys.h"

#define LEAF_BYTES (LEAF_SLOTS * sizeof(uint32_t))

uint32_t **live_root;

int live_init(void)
{
	if (!live_root)
		live_root = sys_reserve(ROOT_SLOTS * sizeof(*live_root));
	return live_root ? 0 : -ENOMEM;
}

uint32_t *live_make_leaf(uintptr_t addr)
{
	uint32_t **place = &live_root[addr >> LEAF_SHIFT];
	uint32_t *leaf = sys_reserve(LEAF_BYTES), *other = NULL;

	if (!leaf)
		return NULL;
	if (__atomic_compare_exchange_n(place, &other, leaf, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return leaf;
	sys_munmap(leaf, LEAF_BYTES);
	return other;
}

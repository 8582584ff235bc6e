// SPDX-License-Identifier: MIT
/*
 * torture_plugin.h - nodes for torture.cc to unload. Built with different PADDING,
 * so that the same return address has another frame size in the next library.
 */
#include "torture.h"

extern const struct node_list torture_plugin;

static void in_plugin(struct tree *t, int depth)
{
	volatile char space[PADDING];

	space[0] = 0;
	step(t, depth);
	step(t, depth + space[0]);
}

static void also_in_plugin(struct tree *t, int depth)
{
	volatile char space[PADDING + 16];

	space[0] = 0;
	tree_allocate(t, 3);
	step(t, depth + space[0]);
	step(t, depth);
}

static node_fn *const all_nodes[] = { in_plugin, also_in_plugin };
const struct node_list torture_plugin = { 2, all_nodes };

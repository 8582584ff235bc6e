// SPDX-License-Identifier: MIT
/*
 * heap_inherited.h - the blocks that a forked child has inherited: those that were live
 * in its parent at the fork. One thread at a time.
 */
#ifndef KAGENT_HEAP_INHERITED_H
#define KAGENT_HEAP_INHERITED_H

#include "kagent/heap_tracer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inherited_block {
	struct ku_block b;
	uint64_t addr;
	bool gone;		/* freed by the child */
};

struct inherited_stack {
	uint64_t key;		/* of the site, as in a block */
	uint64_t first_time;
	uint32_t flags, depth;
	uint64_t *ip;
};

struct heap_inherited {
	struct inherited_block *list;	/* ascending, each address once */
	size_t count, room;
	struct inherited_stack *stacks;
	size_t stack_count, stack_room;
};

/* A child that inherits. */
struct heir {
	uint32_t parent;		/* image */
	uint64_t start;			/* when it was forked */
	const struct heap_inherited *parents;	/* what the parent had inherited itself, or NULL */
	struct heap_inherited *to;	/* empty at first */
};

/* Finds what all these children have inherited, at one go. 0 or -errno. */
int heap_inherited_take(struct heap_tracer *t, struct heir *heirs, size_t count);

/* Adds a stack that something else is of, which was inherited from a parent with these. */
int heap_inherited_stack(struct heap_inherited *h, struct heap_tracer *t,
			 const struct heap_inherited *parents, uint64_t key);

/* The block at an address, NULL: none. */
struct inherited_block *heap_inherited_find(const struct heap_inherited *h, uint64_t addr);

void heap_inherited_free(struct heap_inherited *h);

#endif

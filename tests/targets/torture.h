// SPDX-License-Identifier: MIT
/*
 * torture.h - random call trees that allocate.
 *
 * A node is a function with some kind of frame. It calls step() a few times; each
 * step either allocates or calls another node at random. The same tree of the
 * same seed is the same in every run.
 */
#ifndef TARGETS_TORTURE_H
#define TARGETS_TORTURE_H

#include <stdint.h>
#include <stdlib.h>

enum { HELD = 61, NODES_MAX = 64 };

struct tree;
typedef void node_fn(struct tree *t, int depth);

struct node {
	node_fn *call;
	int transient;		/* its code may be gone tomorrow: not for coroutines, which stay */
};

struct context;

struct tree {
	uint64_t random;
	long left;		/* allocations still to make */
	int depth_max;
	int signal_depth;	/* depth of the frame that raised a signal */
	int on_altstack;
	int count;
	struct node node[NODES_MAX];
	struct context *here;	/* the context that runs now */
	int in_coroutine;
	uint64_t path;		/* which nodes a chain of torture_alike() goes through */
	void *held[HELD];
};

/* What a library of nodes exports. */
struct node_list {
	int count;
	node_fn *const *call;
};

static inline unsigned int tree_random(struct tree *t)
{
	t->random = t->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(t->random >> 33);
}

static inline void tree_allocate(struct tree *t, unsigned int r)
{
	void **p = &t->held[r % HELD];

	t->left--;
	if (r % 16 == 0) {
		*p = realloc(*p, 1 + r % 300);
	} else {
		free(*p);
		*p = r % 16 == 1 ? calloc(1, 1 + r % 50) : malloc(1 + r % 200);
	}
}

static inline __attribute__((always_inline)) void step(struct tree *t, int depth)
{
	unsigned int r = tree_random(t);
	const struct node *n = &t->node[r % (unsigned int)t->count];

	if (t->left <= 0)
		return;
	if (depth < t->depth_max && (r >> 16) % 16 < 9 && !(n->transient && t->in_coroutine))
		n->call(t, depth + 1);
	else
		tree_allocate(t, r >> 8);
}

#endif

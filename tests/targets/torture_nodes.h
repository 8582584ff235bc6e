// SPDX-License-Identifier: MIT
/*
 * torture_nodes.h - nodes with the frames that C code has; built with and without
 * frame pointers. NODES is the name of the list. (After -O2 the tail calls are jumps.)
 */
#include "torture.h"

#include <alloca.h>
#include <string.h>

extern const struct node_list NODES;

/* Frames of different sizes, some of the same size. */
#define PLAIN(name, bytes)                                                                         \
	static void name(struct tree *t, int depth)                                                \
	{                                                                                          \
		volatile char space[bytes];                                                        \
                                                                                                   \
		space[0] = (char)depth;                                                            \
		step(t, depth);                                                                    \
		step(t, depth + space[0] - (char)depth);                                           \
		tree_allocate(t, 5);                                                               \
	}

PLAIN(plain_small, 8)
PLAIN(plain_alike, 8)
PLAIN(plain_third, 8)
PLAIN(plain_middle, 120)
PLAIN(plain_large, 5000)

/* Many values that live across calls: callee-saved registers are pushed. */
static void busy_registers(struct tree *t, int depth)
{
	unsigned int a = tree_random(t), b = a * 3, c = a ^ 77, d = a >> 3, e = a << 2;

	step(t, depth);
	a += b;
	step(t, depth);
	c += d * e;
	step(t, depth + (int)(0 * (a + b + c + d + e)));
	t->random += a ^ b ^ c ^ d ^ e;
}

/* Arguments on the stack move the stack pointer around the call. */
static __attribute__((noinline)) void nine(struct tree *t, int depth, long c, long d, long e,
					   long f, long g, long h, long i)
{
	step(t, depth);
	t->random += (uint64_t)(c + d + e + f + g + h + i);
	step(t, depth);
}

static void many_arguments(struct tree *t, int depth)
{
	nine(t, depth, 1, 2, 3, 4, 5, 6, depth);
	step(t, depth);
}

static void with_alloca(struct tree *t, int depth)
{
	size_t n = tree_random(t) % 3 * 48 + 1;
	volatile char *p = alloca(n);

	p[n - 1] = 1;
	step(t, depth);
	p = alloca(tree_random(t) % 200 + 1);
	p[0] = 1;
	step(t, depth);
}

static void with_vla(struct tree *t, int depth)
{
	volatile char space[tree_random(t) % 4 * 32 + 16];

	space[0] = 1;
	step(t, depth);
	step(t, depth + space[0] - 1);
}

static void tail_call(struct tree *t, int depth)
{
	step(t, depth);
	if (depth < t->depth_max && t->left > 0)
		return plain_small(t, depth + 1);
	tree_allocate(t, 9);
}

static void tail_of_tail(struct tree *t, int depth)
{
	if (depth < t->depth_max)
		return tree_random(t) % 2 ? tail_call(t, depth + 1) : plain_alike(t, depth + 1);
	tree_allocate(t, 7);
}

static void realigned(struct tree *t, int depth)
{
	_Alignas(64) volatile char space[64];

	space[0] = 1;
	step(t, depth);
	step(t, depth + space[0] - 1);
}

/* Realigned and of varying size: the CFA is found through a saved pointer. */
static void realigned_alloca(struct tree *t, int depth)
{
	_Alignas(64) volatile char space[64];
	volatile char *p = alloca(tree_random(t) % 3 * 64 + 1);

	space[0] = p[0] = 1;
	step(t, depth);
	step(t, depth + space[0] - p[0]);
}

static void realigned_arguments(struct tree *t, int depth)
{
	_Alignas(128) volatile char space[128];

	space[0] = 1;
	nine(t, depth, space[0], 2, 3, 4, 5, 6, depth);
	step(t, depth);
}

static node_fn *const all_nodes[] = {
	plain_small, plain_alike, plain_third, plain_middle, plain_large, busy_registers,
	many_arguments, with_alloca, with_vla, tail_call, tail_of_tail, realigned,
	realigned_alloca, realigned_arguments,
};

const struct node_list NODES = { sizeof(all_nodes) / sizeof(all_nodes[0]), all_nodes };

// SPDX-License-Identifier: MIT
/*
 * stack_memo.h - the stacks that a thread has captured lately, each found again
 * by the very words that the walk read.
 *
 * A walk is a function of the registers that it starts with and of the words of
 * memory that it reads, as long as no code is unloaded: what it reads next follows
 * from what it has read. So the stacks that start with the same (ip, sp) form a tree.
 * A node of it is a run of words that have to be what they were; then either the stack
 * is known (a leaf), or the next word, looked up together with the node, leads on to
 * another node (a branch). No rule, no hash of frames, no look-up in the table of
 * stacks; and only what a full walk would read is read, after all that it read before.
 *
 * What a frame's caller had in bp is read when a rule depends on it, from where it is
 * by then: a place on the stack, or the register that the walk began with, whose copy
 * is a word like any other.
 *
 * Words are written once and never changed. The list of a stack that shares its outer
 * frames with the one that was walked before goes on in the latter's. Nodes are only
 * added. When there is no room for more, all is forgotten, and learned anew.
 *
 * Stacks with frames that cannot be proved by words (KEPT_BARRIER) are not in here.
 */
#ifndef PRELOAD_STACK_MEMO_H
#define PRELOAD_STACK_MEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "stack_capture.h"

#define MEMO_NODE_BITS_MIN	9
#define MEMO_NODE_BITS_MAX	13
#define MEMO_WORDS	49152u
#define MEMO_SEEN	4096u
#define MEMO_RUN_SHARED	8u	/* words at least, where a list goes on in another */

/* What is known of a stack. */
struct stack_memo {
	uint32_t stack;		/* index */
	uint32_t site;		/* index of this thread's site, 0: none yet */
};

/* Consecutive words to compare: [from, from + count) of stack_memos.words; from 0: none. */
struct memo_run {
	uint32_t from, count;
};

union memo_word {
	struct {
		const uintptr_t *at;
		uintptr_t value;
	};
	struct memo_run next;	/* behind a run: where the list goes on */
};

struct memo_node {
	uintptr_t word;		/* by which the parent branched off to here; of a start: see memo_start */
	uint32_t parent;	/* its id, or that of a start; 0: the place is empty */
	uint32_t id;		/* of a branch; 0: a leaf */
	struct memo_run run;	/* a branch's is all that is to be compared, a leaf's goes on */
	union {
		const uintptr_t *branch_at;	/* of a branch: the word that comes next */
		struct stack_memo known;
	};
};

struct stack_memos {
	uint32_t mask;		/* places for nodes in use - 1 */
	uint32_t shift;
	uint32_t nodes, ids;
	uint32_t used;		/* words */
	bool any_seen;
	uintptr_t bp;		/* of where the walk began */
	struct memo_run outward[FRAMES_KEPT];	/* what is read outward of each kept frame */
	struct stack_memo seen[MEMO_SEEN];	/* stacks captured lately, by index: those are worth a leaf */
	struct memo_node node[1u << MEMO_NODE_BITS_MAX];	/* open addressing */
	union memo_word words[MEMO_WORDS];
};

/*
 * The stack of index @stack, which starts at @top and was captured last into @c,
 * gets a leaf when it was captured lately, too: many stacks are seen once. Never fails.
 * What is returned holds until the next call. The same @c, always.
 */
struct stack_memo *stack_memo_add(struct stack_memos *all, struct frame_cache *c,
				  const struct frame_regs *top, int depth, uint32_t stack);

/* Forgets all, sites too. Once before the first use. */
void stack_memo_reset(struct stack_memos *all, struct frame_cache *c);

/* Goes on from @n, a branch. */
__attribute__((noinline)) struct stack_memo *stack_memo_follow(struct stack_memos *all,
							       struct memo_node *n);

#define MEMO_START (1u << 31)

static ALWAYS_INLINE struct memo_node *memo_place(struct stack_memos *all, uint32_t parent,
						  uintptr_t word)
{
	uint64_t hash = (word ^ (uint64_t)parent << 32) * 0x9e3779b97f4a7c15ull;

	return &all->node[hash >> all->shift];
}

/* The node that @word leads to, or NULL. */
static ALWAYS_INLINE struct memo_node *memo_child(struct stack_memos *all, uint32_t parent,
						  uintptr_t word)
{
	struct memo_node *n = memo_place(all, parent, word);

	while (unlikely(n->word != word || n->parent != parent)) {
		if (!n->parent)
			return NULL;
		n = &all->node[(n - all->node + 1) & all->mask];
	}
	return n;
}

/* Where walks start: addresses of the program's have 47 bits, so this is all of @ip and @sp. */
static ALWAYS_INLINE uint32_t memo_start(uintptr_t ip, uintptr_t sp, uintptr_t *word)
{
	*word = ip | sp << 48;
	return MEMO_START | (uint32_t)(sp >> 16);
}

static ALWAYS_INLINE bool memo_run_holds(const union memo_word *w, uint32_t count)
{
	const union memo_word *end = w + count;

	if (stack_check_trusting)
		return true;
	for (; end - w >= 4; w += 4)
		if (*w[0].at != w[0].value || *w[1].at != w[1].value ||
		    *w[2].at != w[2].value || *w[3].at != w[3].value)
			return false;
	for (; w != end; w++)
		if (*w->at != w->value)
			return false;
	return true;
}

static ALWAYS_INLINE struct stack_memo *memo_leaf_holds(struct stack_memos *all,
							struct memo_node *n)
{
	struct memo_run run = n->run;

	do {
		const union memo_word *w = &all->words[run.from];

		if (!memo_run_holds(w, run.count))
			return NULL;
		run = w[run.count].next;
	} while (run.from);
	return &n->known;
}

/* The stack that starts at @top will be looked for: the node that is read first is fetched. */
static ALWAYS_INLINE void stack_memo_prepare(struct stack_memos *all, struct frame_regs top)
{
	uintptr_t word;
	uint32_t start = memo_start(top.ip, top.sp, &word);

	__builtin_prefetch(memo_place(all, start, word));
}

/* What is known of the stack that starts at @top, or NULL. */
static ALWAYS_INLINE struct stack_memo *stack_memo_find(struct stack_memos *all,
							const struct frame_regs *top)
{
	uintptr_t word;
	uint32_t start = memo_start(top->ip, top->sp, &word);
	struct memo_node *n = memo_child(all, start, word);

	all->bp = top->bp;
	if (unlikely(!n))
		return NULL;
	return likely(!n->id) ? memo_leaf_holds(all, n) : stack_memo_follow(all, n);
}

#endif

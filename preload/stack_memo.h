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
#define MEMO_NODE_SHIFT		5
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
	union {
		struct {
			uint32_t parent;	/* its id, or that of a start; 0: the place is empty */
			uint32_t id;		/* of a branch; 0: a leaf */
		};
		uint64_t parent_of_leaf;	/* both, if this is a leaf: the parent */
	};
	struct memo_run run;	/* a branch's is all that is to be compared, a leaf's goes on */
	union {
		const uintptr_t *branch_at;	/* of a branch: the word that comes next */
		struct stack_memo known;
	};
};

struct stack_memos {
	uint32_t mask;		/* (places for nodes in use - 1) << MEMO_NODE_SHIFT */
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

/* Ids of branches have this bit: where walks start, the upper half of sp takes their place. */
#define MEMO_BRANCH	(1u << 31)

#define MEMO_HASH_SHIFT	(64 - MEMO_NODE_BITS_MAX - MEMO_NODE_SHIFT)

static ALWAYS_INLINE struct memo_node *memo_place_by(struct stack_memos *all, uint64_t key)
{
	uint64_t at = (key * 0x9e3779b97f4a7c15ull >> MEMO_HASH_SHIFT) & all->mask;

	return (struct memo_node *)((char *)all->node + at);
}

/* (The word of a start is all but the upper half of sp: few differ in nothing else.) */
static ALWAYS_INLINE struct memo_node *memo_place(struct stack_memos *all, uint32_t parent,
						  uintptr_t word)
{
	return memo_place_by(all, parent & MEMO_BRANCH ? word ^ (uint64_t)parent << 32 : word);
}

static ALWAYS_INLINE struct memo_node *memo_next_place(struct stack_memos *all,
						       const struct memo_node *n)
{
	uint32_t at = (uint32_t)((uintptr_t)(n + 1) - (uintptr_t)all->node) & all->mask;

	return (struct memo_node *)((char *)all->node + at);
}

/* The node that @word leads to, or NULL. */
static ALWAYS_INLINE struct memo_node *memo_child(struct stack_memos *all, uint32_t parent,
					   uintptr_t word)
{
	struct memo_node *n = memo_place(all, parent, word);

	while (unlikely(n->word != word || n->parent != parent)) {
		if (!n->parent)
			return NULL;
		n = memo_next_place(all, n);
	}
	return n;
}

/* Where walks start: addresses of the program's have 47 bits, so this is all of @ip and @sp. */
static ALWAYS_INLINE uint32_t memo_start(uintptr_t ip, uintptr_t sp, uintptr_t *word)
{
	*word = ip | sp << 48;
	return (uint32_t)(sp >> 16);
}

#define MEMO_AT_ONCE	32u

/*
 * Are the @count words before @end what they were? The switch leads into the middle of
 * a row of comparisons: no counting, and none is done twice.
 */
static ALWAYS_INLINE bool memo_words_hold(const union memo_word *end, uint32_t count)
{
#define MEMO_WORD(n)                                                                               \
	__attribute__((fallthrough));                                                              \
	case n:                                                                                    \
		if (unlikely(*end[-(n)].at != end[-(n)].value))                                    \
			return false;
#define MEMO_FOUR(n)	MEMO_WORD(n) MEMO_WORD((n) - 1) MEMO_WORD((n) - 2) MEMO_WORD((n) - 3)
	switch (count) {
	default:
		__builtin_unreachable();
	MEMO_FOUR(32) MEMO_FOUR(28) MEMO_FOUR(24) MEMO_FOUR(20)
	MEMO_FOUR(16) MEMO_FOUR(12) MEMO_FOUR(8) MEMO_FOUR(4)
		__attribute__((fallthrough));
	case 0:
		return true;
	}
#undef MEMO_FOUR
#undef MEMO_WORD
}

static ALWAYS_INLINE bool memo_run_holds(const union memo_word *end, uint32_t count)
{
	if (stack_check_trusting)
		return true;
	for (; unlikely(count > MEMO_AT_ONCE); count -= MEMO_AT_ONCE)
		if (!memo_words_hold(end - count + MEMO_AT_ONCE, MEMO_AT_ONCE))
			return false;
	return memo_words_hold(end, count);
}

static ALWAYS_INLINE bool memo_leaf_holds(struct stack_memos *all, const struct memo_node *n)
{
	struct memo_run run = n->run;

	do {
		const union memo_word *end = &all->words[run.from + run.count];

		if (unlikely(!memo_run_holds(end, run.count)))
			return false;
		run = end->next;
	} while (unlikely(run.from));
	return true;
}

/* What is known of the stack that starts at @top, or NULL. */
struct stack_memo *stack_memo_find(struct stack_memos *all, struct frame_regs top);

static ALWAYS_INLINE struct stack_memo *stack_memo_find_inline(struct stack_memos *all,
							       struct frame_regs top)
{
	uintptr_t word;
	uint32_t start = memo_start(top.ip, top.sp, &word);
	struct memo_node *n = memo_child(all, start, word);

	all->bp = top.bp;
	while (likely(n) && n->id) {
		/* (the negative control trusts what it has, but reads nowhere on trust) */
		if (stack_check_trusting ||
		    !memo_run_holds(&all->words[n->run.from + n->run.count], n->run.count))
			return NULL;
		n = memo_child(all, n->id, *n->branch_at);
	}
	return likely(n) && likely(memo_leaf_holds(all, n)) ? &n->known : NULL;
}

/* The place of the stacks that start at @top, on its way into the cache: for later. */
static ALWAYS_INLINE struct memo_node *stack_memo_start(struct stack_memos *all,
							struct frame_regs top)
{
	struct memo_node *n;
	uintptr_t word;

	memo_start(top.ip, top.sp, &word);
	n = memo_place_by(all, word);
	__builtin_prefetch(n);
	return n;
}

/*
 * The same as stack_memo_find(), but NULL as well where several stacks start, or @n,
 * stack_memo_start()'s, belongs to another: so it calls nothing, and is short.
 */
static ALWAYS_INLINE struct stack_memo *stack_memo_find_only(struct stack_memos *all,
							     struct frame_regs top,
							     struct memo_node *n)
{
	uintptr_t word;
	uint32_t start = memo_start(top.ip, top.sp, &word);

	all->bp = top.bp;
	if (unlikely(n->word != word) || unlikely(n->parent_of_leaf != start))
		return NULL;
	return likely(memo_leaf_holds(all, n)) ? &n->known : NULL;
}

#endif

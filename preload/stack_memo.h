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
 * is looked at like a word.
 *
 * A word takes 8 bytes: 48 bits that it has to be, as addresses of the program's have
 * no more, and 16 bits for where it is, counted from sp. What does not fit in there (that
 * copy of bp; what lies further out than 512 KiB, as behind a large array; a value with
 * upper bits) is a branch, even if there is but one way to go on: a branch's word has all
 * its bits. Behind a branch that lies further out, words are counted from about there.
 *
 * Words are written once and never changed, nodes only added. When there is no room for
 * more, all is forgotten, and learned anew.
 *
 * Stacks with frames that cannot be proved by words (KEPT_BARRIER) are not in here, nor
 * those of more than MEMO_FAR_MAX words that do not fit.
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
#define MEMO_WORDS	98304u
#define MEMO_SEEN	4096u
#define MEMO_FAR_MAX	64u

#define MEMO_PLACE_BITS	16
#define MEMO_PLACE	((1u << MEMO_PLACE_BITS) - 1)
#define MEMO_BACK	1024u	/* what a frame saved is read behind its return address, but lies in front */

/* What is known of a stack. */
struct stack_memo {
	uint32_t stack;		/* index */
	uint32_t site;		/* index of this thread's site, 0: none yet */
};

/* Consecutive words to compare: [from, from + count) of stack_memos.words. */
struct memo_run {
	uint32_t from, count;
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
	struct memo_run run;	/* what is to be compared first */
	union {
		const uintptr_t *branch_at;	/* of a branch: the word that comes next */
		struct stack_memo known;
	};
};

/* What a walk has read. */
struct memo_read {
	uintptr_t at, value;
};

struct stack_memos {
	uint32_t mask;		/* (places for nodes in use - 1) << MEMO_NODE_SHIFT */
	uint32_t nodes, ids;
	uint32_t used;		/* words */
	uint32_t listed;	/* of reads */
	bool any_seen;
	uintptr_t bp;		/* of where the walk began */
	struct memo_read reads[3 * FRAMES_KEPT];	/* of the stack that is added */
	struct stack_memo seen[MEMO_SEEN];	/* stacks captured lately, by index: those are worth a leaf */
	struct memo_node node[1u << MEMO_NODE_BITS_MAX];	/* open addressing */
	uint64_t words[MEMO_WORDS];	/* value << MEMO_PLACE_BITS | (address - base) / 8 */
};

/*
 * The stack of index @stack, which starts at @top and was captured last into @c,
 * gets a leaf when it was captured lately, too: many stacks are seen once. Never fails.
 * What is returned holds until the next call.
 */
struct stack_memo *stack_memo_add(struct stack_memos *all, const struct frame_cache *c,
				  const struct frame_regs *top, int depth, uint32_t stack);

/* Forgets all, sites too. Once before the first use. */
void stack_memo_reset(struct stack_memos *all);

/* Ids of branches have this bit: where walks start, the upper half of sp takes their place. */
#define MEMO_BRANCH	(1u << 31)
/* Of a branch: behind it, words are counted from MEMO_BACK in front of the one that it branches by. */
#define MEMO_MOVES	(1u << 30)

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
 * Are the @count words before @end, counted from @base, what they were? The switch leads
 * into the middle of a row of comparisons: no counting, and none is done twice.
 */
static ALWAYS_INLINE bool memo_words_hold(const uint64_t *end, uint32_t count,
					   const uintptr_t *base)
{
#define MEMO_WORD(n)                                                                               \
	__attribute__((fallthrough));                                                              \
	case n:                                                                                    \
		if (unlikely(base[end[-(n)] & MEMO_PLACE] != end[-(n)] >> MEMO_PLACE_BITS))        \
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

static ALWAYS_INLINE bool memo_holds(const struct stack_memos *all, const struct memo_node *n,
				     uintptr_t base)
{
	const uint64_t *end = &all->words[n->run.from + n->run.count];
	const uintptr_t *words = (const uintptr_t *)base;
	uint32_t count = n->run.count;

	if (stack_check_trusting)
		return true;
	for (; unlikely(count > MEMO_AT_ONCE); count -= MEMO_AT_ONCE)
		if (!memo_words_hold(end - count + MEMO_AT_ONCE, MEMO_AT_ONCE, words))
			return false;
	return memo_words_hold(end, count, words);
}

/* Where the words behind branch @n are counted from, if those before it are from @base. */
static ALWAYS_INLINE uintptr_t memo_base_behind(const struct memo_node *n, uintptr_t base)
{
	return unlikely(n->id & MEMO_MOVES) ? (uintptr_t)n->branch_at - MEMO_BACK : base;
}

/* What is known of the stack that starts at @top, or NULL. */
struct stack_memo *stack_memo_find(struct stack_memos *all, struct frame_regs top);

static ALWAYS_INLINE struct stack_memo *stack_memo_find_inline(struct stack_memos *all,
							       struct frame_regs top)
{
	uintptr_t word, base = top.sp;
	uint32_t start = memo_start(top.ip, top.sp, &word);
	struct memo_node *n = memo_child(all, start, word);

	all->bp = top.bp;
	while (likely(n) && n->id) {
		/* (the negative control trusts what it has, but reads nowhere on trust) */
		if (stack_check_trusting || !memo_holds(all, n, base))
			return NULL;
		base = memo_base_behind(n, base);
		n = memo_child(all, n->id, *n->branch_at);
	}
	return likely(n) && likely(memo_holds(all, n, base)) ? &n->known : NULL;
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

	if (unlikely(n->word != word) || unlikely(n->parent_of_leaf != start))
		return NULL;
	return likely(memo_holds(all, n, top.sp)) ? &n->known : NULL;
}

#endif

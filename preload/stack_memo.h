// SPDX-License-Identifier: MIT
/*
 * stack_memo.h - the stacks that a thread has captured lately, each found again
 * by where it starts and proved by what the walk read.
 *
 * A walk is a function of the registers that it starts with and of the words of
 * memory that it reads, as long as no code is unloaded. So a stack that was
 * captured before is the stack now, if the registers are the same and each of
 * those words, read in the same order, is the same: no rule, no hash, no look-up
 * in the table of stacks. It reads only what a full walk would read.
 *
 * Stacks with frames that cannot be proved by words (KEPT_BARRIER), that are too
 * deep or reach too far are not in here.
 */
#ifndef PRELOAD_STACK_MEMO_H
#define PRELOAD_STACK_MEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "stack_capture.h"

#define MEMO_WORDS	64
#define MEMO_SET_BITS	6
#define MEMO_SETS	(1u << MEMO_SET_BITS)
#define MEMO_WAYS	2
#define MEMO_SEEN	256u

/* An odd number of cache lines, so that entries don't compete for a few sets of the cache. */
struct stack_memo {
	uintptr_t ip, sp, bp;	/* where the stack starts */
	uint32_t stack;		/* index, 0: not in use */
	uint32_t site;		/* index of this thread's site, 0: none yet */
	uint32_t count;		/* words, a multiple of 4: the last ones may be repeated */
	bool uses_bp;		/* bp has to be equal, too */
	int32_t at[MEMO_WORDS];	/* where: multiples of 8 bytes from sp */
	uintptr_t word[MEMO_WORDS];	/* what was read there */
} __attribute__((aligned(64)));

struct stack_memos {
	uint64_t used[MEMO_SETS * MEMO_WAYS / 64];	/* bit: entry was ever filled */
	uint32_t turn;		/* chooses which way is replaced */
	uint32_t seen[MEMO_SEEN];	/* stacks captured lately, by index: those are worth an entry */
	struct stack_memo entry[MEMO_SETS][MEMO_WAYS];
	struct stack_memo other;	/* the last stack that cannot be kept */
};

/*
 * The stack of index @stack, which starts at @top and was captured last into @c,
 * becomes an entry when it was captured lately, too: many stacks are seen once. Never
 * fails: the entry may be `other`, which is never found.
 */
struct stack_memo *stack_memo_add(struct stack_memos *all, const struct frame_cache *c,
				  const struct frame_regs *top, int depth, uint32_t stack);

/* Forgets all. */
void stack_memo_reset(struct stack_memos *all);

static ALWAYS_INLINE unsigned int stack_memo_set(uintptr_t ip, uintptr_t sp)
{
	return (unsigned int)(((ip ^ sp << 8) * 0x9e3779b97f4a7c15ull) >> (64 - MEMO_SET_BITS));
}

static ALWAYS_INLINE bool stack_memo_holds(const struct stack_memo *m, const struct frame_regs *top)
{
	const uintptr_t *base = (const uintptr_t *)top->sp;

	if (m->sp != top->sp || m->ip != top->ip || (m->uses_bp && m->bp != top->bp))
		return false;
	if (stack_check_trusting)
		return true;
	for (uint32_t i = 0; i < m->count; i += 4)
		if (base[m->at[i]] != m->word[i] || base[m->at[i + 1]] != m->word[i + 1] ||
		    base[m->at[i + 2]] != m->word[i + 2] || base[m->at[i + 3]] != m->word[i + 3])
			return false;
	return true;
}

/* The entry of the stack that starts at @top, or NULL. */
static ALWAYS_INLINE struct stack_memo *stack_memo_find(struct stack_memos *all,
							const struct frame_regs *top)
{
	struct stack_memo *m = all->entry[stack_memo_set(top->ip, top->sp)];

	if (likely(stack_memo_holds(m, top)))
		return m;
	return stack_memo_holds(m + 1, top) ? m + 1 : NULL;
}

#endif

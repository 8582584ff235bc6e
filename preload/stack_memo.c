// SPDX-License-Identifier: MIT
/* stack_memo.c - see stack_memo.h. */
#include "stack_memo.h"

#include <assert.h>

static_assert(sizeof(struct stack_memo) / 64 % 2 == 1, "an odd number of cache lines");
static_assert(MEMO_WORDS % 4 == 0, "fill_up");
static_assert(MEMO_WAYS == 2, "stack_memo_find");

/* Adds a word to @m, which is being filled. False: no room, or out of reach. */
static bool add_word(struct stack_memo *m, uintptr_t addr, uintptr_t value)
{
	intptr_t at = (intptr_t)(addr - m->sp) / 8;

	if (m->count == MEMO_WORDS || at != (int32_t)at || (addr - m->sp) % 8)
		return false;
	m->at[m->count] = (int32_t)at;
	m->word[m->count++] = value;
	return true;
}

/* Four words are compared at a time. */
static void fill_up(struct stack_memo *m)
{
	for (; m->count % 4; m->count++) {
		m->at[m->count] = m->at[m->count - 1];
		m->word[m->count] = m->word[m->count - 1];
	}
}

/* What the walk has read, from the innermost frame outward. */
static bool add_words(struct stack_memo *m, const struct frame_cache *c, int depth)
{
	int last = c->count - depth;

	if (!c->count || c->barriers || (c->open && last < 0))
		return false;
	for (int i = c->count - 1; i > (last > 0 ? last : 0); i--) {
		const struct kept_frame *f = &c->frame[i], *outer = f - 1;
		uintptr_t slot = outer->slot & KEPT_USES_BP ? f->slot & KEPT_SLOT : 0;
		uintptr_t deref = stack_deref_slot(f);

		if ((deref && !add_word(m, deref, outer->sp)) ||
		    !add_word(m, outer->sp - sizeof(uintptr_t), outer->ip) ||
		    (slot && !add_word(m, slot, outer->bp)))
			return false;
	}
	fill_up(m);
	return true;
}

static struct stack_memo *choose(struct stack_memos *all, const struct frame_regs *top)
{
	unsigned int set = stack_memo_set(top->ip, top->sp), way = 0;
	struct stack_memo *m = all->entry[set];

	if (m[0].stack)
		way = m[1].stack ? all->turn++ % MEMO_WAYS : 1;
	set = set * MEMO_WAYS + way;
	all->used[set / 64] |= 1ull << set % 64;
	return &m[way];
}

struct stack_memo *stack_memo_add(struct stack_memos *all, const struct frame_cache *c,
				  const struct frame_regs *top, int depth, uint32_t stack)
{
	uint32_t *seen = &all->seen[stack % MEMO_SEEN];
	struct stack_memo *m;

	if (*seen != stack) {
		*seen = stack;
		m = &all->other;
		m->stack = stack;
		m->site = 0;
		return m;
	}
	m = choose(all, top);
	m->ip = top->ip;
	m->sp = top->sp;
	m->bp = top->bp;
	m->uses_bp = c->count && c->frame[c->count - 1].slot & KEPT_USES_BP;
	m->count = 0;
	if (!add_words(m, c, depth)) {
		m->stack = 0;
		m->sp = 0;	/* no stack starts there */
		m = &all->other;
	}
	m->stack = stack;
	m->site = 0;
	return m;
}

void stack_memo_reset(struct stack_memos *all)
{
	struct stack_memo *m = &all->entry[0][0];

	for (unsigned int i = 0; i < MEMO_SETS * MEMO_WAYS; i++)
		if (all->used[i / 64] >> i % 64 & 1)
			m[i].sp = m[i].stack = 0;
	for (unsigned int i = 0; i < MEMO_SETS * MEMO_WAYS / 64; i++)
		all->used[i] = 0;
}

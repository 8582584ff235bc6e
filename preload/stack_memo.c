// SPDX-License-Identifier: MIT
/* stack_memo.c - see stack_memo.h. */
#include "stack_memo.h"

#include <assert.h>
#include <string.h>

static_assert(sizeof(struct memo_node) == 1 << MEMO_NODE_SHIFT, "two to a cache line");
static_assert(MEMO_BRANCH > UINT32_MAX / 2, "sp >> 16 has 31 bits");
static_assert(1u << MEMO_NODE_BITS_MAX < MEMO_MOVES, "an id is beside its marks");
static_assert(MEMO_FAR_MAX + 2 < (1u << MEMO_NODE_BITS_MIN) / 4, "see room_for()");
static_assert(3 * FRAMES_KEPT <= MEMO_WORDS, "see room_for()");

/* ---- looking up ----------------------------------------------------------------- */

struct stack_memo *stack_memo_find(struct stack_memos *all, struct frame_regs top)
{
	return stack_memo_find_inline(all, top);
}

/* ---- what a walk has read -------------------------------------------------------- */

static void list_read(struct stack_memos *all, uintptr_t at, uintptr_t value)
{
	all->reads[all->listed++] = (struct memo_read){ at, value };
}

/* Lists what was read outward of the kept frames, from the innermost one to @last. */
static void list_reads(struct stack_memos *all, const struct frame_cache *c, int last)
{
	uintptr_t bp_at = (uintptr_t)&all->bp;	/* where bp is, if that is still to be compared */

	all->listed = 0;
	for (int i = c->count - 1; i > last; i--) {
		const struct kept_frame *f = &c->frame[i], *outer = f - 1;
		uintptr_t deref = stack_deref_slot(f), slot = f->slot & KEPT_SLOT;

		if (f->slot & KEPT_RULE_USES_BP && bp_at) {
			list_read(all, bp_at, f->bp);
			bp_at = 0;
		}
		if (deref)
			list_read(all, deref, outer->sp);
		list_read(all, outer->sp - sizeof(uintptr_t), outer->ip);
		if (slot)
			bp_at = slot;
	}
}

/* ---- words ------------------------------------------------------------------------ */

/* Is @at not too far from @base to be a word's place? */
static bool is_near(uintptr_t at, uintptr_t base)
{
	uintptr_t distance = at - base;

	return !(distance % sizeof(uintptr_t)) && distance / sizeof(uintptr_t) <= MEMO_PLACE;
}

static bool fits_word(const struct memo_read *r, uintptr_t base)
{
	return is_near(r->at, base) && !(r->value >> (64 - MEMO_PLACE_BITS));
}

static uint64_t word_of(const struct memo_read *r, uintptr_t base)
{
	return r->value << MEMO_PLACE_BITS | (r->at - base) / sizeof(uintptr_t);
}

static struct memo_read read_of(uint64_t word, uintptr_t base)
{
	return (struct memo_read){
		.at = base + (word & MEMO_PLACE) * sizeof(uintptr_t),
		.value = word >> MEMO_PLACE_BITS,
	};
}

/* What branches by @r has this mark, where words were counted from @base so far. */
static uint32_t move_to(const struct stack_memos *all, const struct memo_read *r, uintptr_t base)
{
	return r->at == (uintptr_t)&all->bp || is_near(r->at, base) ? 0 : MEMO_MOVES;
}

/* How many of the reads that are listed fit in no word, counted from @base first? */
static uint32_t far_reads(const struct stack_memos *all, uintptr_t base)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < all->listed; i++) {
		const struct memo_read *r = &all->reads[i];

		n += !fits_word(r, base);
		if (move_to(all, r, base))
			base = r->at - MEMO_BACK;
	}
	return n;
}

/* ---- adding --------------------------------------------------------------------- */

static struct memo_node *new_node(struct stack_memos *all, uint32_t parent, uintptr_t word,
				  struct memo_run run)
{
	struct memo_node *n = memo_place(all, parent, word);

	while (n->parent)
		n = memo_next_place(all, n);
	n->word = word;
	n->parent = parent;
	n->run = run;
	all->nodes++;
	return n;
}

static void make_branch(struct stack_memos *all, struct memo_node *n, uintptr_t at, uint32_t marks)
{
	n->id = MEMO_BRANCH | marks | ++all->ids;
	n->branch_at = (const uintptr_t *)at;
}

/* @n becomes a branch by the word behind its first @same, and what it was is behind that. */
static void split(struct stack_memos *all, struct memo_node *n, uint32_t same, uintptr_t base)
{
	struct memo_node was = *n, *child;
	struct memo_read by = read_of(all->words[was.run.from + same], base);
	struct memo_run rest = { was.run.from + same + 1, was.run.count - same - 1 };

	n->run.count = same;
	make_branch(all, n, by.at, 0);
	child = new_node(all, n->id, by.value, rest);
	child->id = was.id;
	child->branch_at = was.branch_at;
}

/* A node under @parent for the reads from @i on that fit in words; returns behind those. */
static uint32_t add_run(struct stack_memos *all, uint32_t parent, uintptr_t word, uint32_t i,
			uintptr_t base, struct memo_node **n)
{
	uint32_t from = all->used;

	while (i < all->listed && fits_word(&all->reads[i], base))
		all->words[all->used++] = word_of(&all->reads[i++], base);
	*n = new_node(all, parent, word, (struct memo_run){ from, all->used - from });
	return i;
}

/* The reads from @i on, which are behind @word of @parent, become nodes. */
static struct stack_memo *add_rest(struct stack_memos *all, uint32_t parent, uintptr_t word,
				   uint32_t i, uintptr_t base, uint32_t stack)
{
	const struct memo_read *r;
	struct memo_node *n;

	while ((i = add_run(all, parent, word, i, base, &n)) < all->listed) {
		r = &all->reads[i++];
		make_branch(all, n, r->at, move_to(all, r, base));
		base = memo_base_behind(n, base);
		parent = n->id;
		word = r->value;
	}
	n->known = (struct stack_memo){ .stack = stack };
	return &n->known;
}

/* How many words of @n are what was read, from the one at @i on? */
static uint32_t same_words(const struct stack_memos *all, const struct memo_node *n, uint32_t i,
			   uintptr_t base)
{
	const uint64_t *words = &all->words[n->run.from];
	uint32_t same = 0;

	while (same < n->run.count && i + same < all->listed &&
	       fits_word(&all->reads[i + same], base) &&
	       words[same] == word_of(&all->reads[i + same], base))
		same++;
	return same;
}

/* Makes @n, whose first @same words were read, a branch by the word at @at. False: it is another's. */
static bool branch_by(struct stack_memos *all, struct memo_node *n, uint32_t same, uintptr_t at,
		      uintptr_t base)
{
	if (same < n->run.count && read_of(all->words[n->run.from + same], base).at == at)
		split(all, n, same, base);
	return same == n->run.count && n->id && (uintptr_t)n->branch_at == at;
}

/*
 * Adds a leaf for the reads that are listed, for which there is room. NULL: the walk has
 * not been a function of what it read.
 */
static struct stack_memo *add_leaf(struct stack_memos *all, const struct frame_regs *top,
				   uint32_t stack)
{
	uintptr_t word, base = top->sp;
	uint32_t parent = memo_start(top->ip, top->sp, &word), i = 0;
	struct memo_node *n;

	while ((n = memo_child(all, parent, word))) {
		uint32_t same = same_words(all, n, i, base);

		i += same;
		if (i == all->listed && same == n->run.count && !n->id) {
			n->known = (struct stack_memo){ .stack = stack };
			return &n->known;
		}
		if (i == all->listed || !branch_by(all, n, same, all->reads[i].at, base))
			return NULL;
		base = memo_base_behind(n, base);
		parent = n->id;
		word = all->reads[i++].value;
	}
	return add_rest(all, parent, word, i, base, stack);
}

static uint32_t places(const struct stack_memos *all)
{
	return (all->mask >> MEMO_NODE_SHIFT) + 1;
}

/* Forgets all; from now on there are @count places for nodes. */
static void start_over(struct stack_memos *all, uint32_t count)
{
	if (all->nodes)
		memset(all->node, 0, places(all) * sizeof(all->node[0]));
	all->mask = (count - 1) << MEMO_NODE_SHIFT;
	all->nodes = all->ids = 0;
	all->used = 0;
}

/* Is there room for the reads that are listed? (A quarter of the places is enough for any nodes.) */
static bool room_for(const struct stack_memos *all)
{
	return all->nodes < places(all) / 4 * 3 && all->listed <= MEMO_WORDS - all->used;
}

static struct stack_memo *add(struct stack_memos *all, const struct frame_cache *c,
			      const struct frame_regs *top, int depth, uint32_t stack)
{
	struct stack_memo *added;

	list_reads(all, c, c->count > depth ? c->count - depth : 0);
	if (far_reads(all, top->sp) > MEMO_FAR_MAX)
		return NULL;
	if (!room_for(all))
		start_over(all, places(all) << (places(all) < 1u << MEMO_NODE_BITS_MAX));
	added = add_leaf(all, top, stack);
	if (unlikely(!added))
		start_over(all, places(all));
	return added;
}

struct stack_memo *stack_memo_add(struct stack_memos *all, const struct frame_cache *c,
				  const struct frame_regs *top, int depth, uint32_t stack)
{
	struct stack_memo *seen = &all->seen[stack % MEMO_SEEN], *added;

	if (seen->stack != stack) {
		*seen = (struct stack_memo){ .stack = stack };
		all->any_seen = true;
		return seen;
	}
	if (!c->count || c->barriers || (c->open && c->count < depth))
		return seen;
	added = add(all, c, top, depth, stack);
	return added ? added : seen;
}

void stack_memo_reset(struct stack_memos *all)
{
	start_over(all, 1u << MEMO_NODE_BITS_MIN);
	if (all->any_seen)
		memset(all->seen, 0, sizeof(all->seen));
	all->any_seen = false;
}

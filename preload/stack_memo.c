// SPDX-License-Identifier: MIT
/* stack_memo.c - see stack_memo.h. */
#include "stack_memo.h"

#include <assert.h>
#include <string.h>

static_assert(sizeof(struct memo_node) == 1 << MEMO_NODE_SHIFT, "two to a cache line");
static_assert(MEMO_BRANCH > UINT32_MAX / 2, "sp >> 16 has 31 bits");

/* ---- looking up ----------------------------------------------------------------- */

struct stack_memo *stack_memo_find(struct stack_memos *all, struct frame_regs top)
{
	return stack_memo_find_inline(all, top);
}

/* ---- lists of words ------------------------------------------------------------- */

static void write_word(struct stack_memos *all, uintptr_t at, uintptr_t value)
{
	union memo_word *w = &all->words[all->used++];

	w->at = (const uintptr_t *)at;
	w->value = value;
}

/* The next word of a list, or NULL. */
static const union memo_word *next_word(const struct stack_memos *all, struct memo_run *r)
{
	while (r->from && !r->count)
		*r = all->words[r->from].next;
	if (!r->from)
		return NULL;
	r->count--;
	return &all->words[r->from++];
}

/*
 * Writes what was read outward of the kept frames, from the innermost one to @last,
 * up to one from which it was written before. (But not for a few words: each list that
 * is gone over to is a jump, and what a stack has in common with the one before is a
 * matter of chance. Nor where bp is read further out, from a place that lies inside.)
 */
static struct memo_run write_list(struct stack_memos *all, struct frame_cache *c, int last)
{
	uintptr_t bp_at = (uintptr_t)&all->bp;	/* where bp is, if that is still to be compared */
	uint32_t begin = all->used;
	int top = c->count - 1, i;

	for (i = top; i > last; i--) {
		const struct kept_frame *f = &c->frame[i], *outer = f - 1;
		uintptr_t deref = stack_deref_slot(f), slot = f->slot & KEPT_SLOT;

		if (i < c->steady && all->outward[i].from &&
		    all->outward[i].count >= MEMO_RUN_SHARED)
			break;
		all->outward[i].from = f->slot & KEPT_USES_BP ? 0 : all->used;
		if (f->slot & KEPT_RULE_USES_BP && bp_at) {
			write_word(all, bp_at, f->bp);
			bp_at = 0;
		}
		if (deref)
			write_word(all, deref, outer->sp);
		write_word(all, outer->sp - sizeof(uintptr_t), outer->ip);
		if (slot)
			bp_at = slot;
	}
	for (int j = i + 1; j <= top; j++)
		all->outward[j].count = all->used - all->outward[j].from;
	all->words[all->used].next = i > last ? all->outward[i] : (struct memo_run){ 0 };
	return (struct memo_run){ begin, all->used++ - begin };
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

static struct stack_memo *new_leaf(struct stack_memos *all, uint32_t parent, uintptr_t word,
				   struct memo_run run, uint32_t stack)
{
	struct memo_node *n = new_node(all, parent, word, run);

	n->known = (struct stack_memo){ .stack = stack };
	return &n->known;
}

/* The first @count words of a list, as one run. */
static struct memo_run first_words(struct stack_memos *all, struct memo_run list, uint32_t count)
{
	struct memo_run run = { all->used, count };

	if (count <= list.count)
		return (struct memo_run){ list.from, count };
	while (count--)
		all->words[all->used++] = *next_word(all, &list);
	return run;
}

/* @n becomes a branch after its first @same words; what it was is behind @old, read last of @rest. */
static void split(struct stack_memos *all, struct memo_node *n, uint32_t same,
		  const union memo_word *old, struct memo_run rest)
{
	struct memo_node was = *n;
	struct memo_node *child;

	n->run = first_words(all, was.run, same);
	n->id = MEMO_BRANCH | ++all->ids;
	n->branch_at = old->at;
	child = new_node(all, n->id, old->value, rest);
	child->id = was.id;
	child->branch_at = was.branch_at;
}

/*
 * Adds a leaf for the list @list, for which there is room. NULL: the walk has not been
 * a function of what it read.
 */
static struct stack_memo *add_leaf(struct stack_memos *all, const struct frame_regs *top,
				   struct memo_run list, uint32_t stack)
{
	uintptr_t word;
	uint32_t parent = memo_start(top->ip, top->sp, &word);
	const union memo_word *old, *new;
	struct memo_node *n;

	while ((n = memo_child(all, parent, word))) {
		struct memo_run rest = n->run;
		uint32_t same = 0;

		for (;; same++) {
			old = n->id && !rest.count ? NULL : next_word(all, &rest);
			new = next_word(all, &list);
			if (!old || !new || old->at != new->at || old->value != new->value)
				break;
		}
		if (!old && !new && !n->id) {
			n->known = (struct stack_memo){ .stack = stack };
			return &n->known;
		}
		if (!new || (!old && !n->id) || new->at != (old ? old->at : n->branch_at))
			return NULL;
		if (old)
			split(all, n, same, old, rest);
		parent = n->id;
		word = new->value;
	}
	return new_leaf(all, parent, word, list, stack);
}

static uint32_t places(const struct stack_memos *all)
{
	return (all->mask >> MEMO_NODE_SHIFT) + 1;
}

/* Forgets all; from now on there are @count places for nodes. */
static void start_over(struct stack_memos *all, struct frame_cache *c, uint32_t count)
{
	if (all->nodes)
		memset(all->node, 0, places(all) * sizeof(all->node[0]));
	all->mask = (count - 1) << MEMO_NODE_SHIFT;
	all->nodes = all->ids = 0;
	all->used = 1;
	c->steady = 0;
}

/* Is there room for whatever a stack of @frames may need: a split, its list, and a list's first words? */
static bool room_for(const struct stack_memos *all, uint32_t frames)
{
	return all->nodes + 2 <= places(all) / 4 * 3 &&
	       2 * (3 * frames + 1) <= MEMO_WORDS - all->used;
}

static struct stack_memo *add(struct stack_memos *all, struct frame_cache *c,
			      const struct frame_regs *top, int depth, uint32_t stack)
{
	int last = c->count > depth ? c->count - depth : 0;
	bool cut = last || c->open;
	struct stack_memo *added;

	/* Where a stack is cut depends on its inner frames: no list for the outer ones. */
	if (cut)
		c->steady = 0;
	if (!room_for(all, (uint32_t)(c->count - last)))
		start_over(all, c, places(all) << (places(all) < 1u << MEMO_NODE_BITS_MAX));
	added = add_leaf(all, top, write_list(all, c, last), stack);
	c->steady = cut ? 0 : c->count;
	if (unlikely(!added))
		start_over(all, c, places(all));
	return added;
}

struct stack_memo *stack_memo_add(struct stack_memos *all, struct frame_cache *c,
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

void stack_memo_reset(struct stack_memos *all, struct frame_cache *c)
{
	start_over(all, c, 1u << MEMO_NODE_BITS_MIN);
	if (all->any_seen)
		memset(all->seen, 0, sizeof(all->seen));
	all->any_seen = false;
}

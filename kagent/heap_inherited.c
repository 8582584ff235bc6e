// SPDX-License-Identifier: MIT
/* heap_inherited.c - see heap_inherited.h. */
#include "kagent/heap_inherited.h"

#include "common/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct taking {
	struct heir *heirs;
	size_t count;
};

struct inherited_block *heap_inherited_find(const struct heap_inherited *h, uint64_t addr)
{
	size_t low = 0, high = h->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (h->list[mid].addr == addr)
			return &h->list[mid];
		if (h->list[mid].addr < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

void heap_inherited_free(struct heap_inherited *h)
{
	for (size_t i = 0; i < h->stack_count; i++)
		free(h->stacks[i].ip);
	free(h->stacks);
	free(h->list);
	*h = (struct heap_inherited){ .list = NULL };
}

/* ---- blocks ---------------------------------------------------------------------- */

static int add_block(struct heap_inherited *h, uint64_t addr, const struct ku_block *b)
{
	struct inherited_block *bigger = array_grow(h->list, h->count, &h->room, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	h->list = bigger;
	bigger[h->count++] = (struct inherited_block){ .b = *b, .addr = addr };
	return 0;
}

/* What its parent had inherited: sorted, and marked below. */
static int add_parents(const struct heir *heir)
{
	const struct heap_inherited *from = heir->parents;
	int err = 0;

	for (size_t i = 0; from && i < from->count && !err; i++)
		if (!from->list[i].gone)
			err = add_block(heir->to, from->list[i].addr, &from->list[i].b);
	return err;
}

/*
 * The marks of those that the parent has freed come first: they are looked up in what
 * is there yet, and that is sorted.
 */
static int take_mark(void *arg, const void *key, const void *value)
{
	const struct taking *t = arg;
	const struct ku_place *at = key;
	const struct ku_block *b = value;

	if (!(b->flags & (KU_BLOCK_GONE | KU_BLOCK_OVER)))
		return 0;
	for (size_t i = 0; i < t->count; i++) {
		const struct heir *heir = &t->heirs[i];
		struct inherited_block *known;

		if (heir->parent != at->image || (b->flags & KU_BLOCK_GONE && b->time > heir->start))
			continue;
		known = heap_inherited_find(heir->to, at->addr);
		if (known)
			known->gone = true;
	}
	return 0;
}

static void drop_gone(struct heap_inherited *h)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->count; i++)
		if (!h->list[i].gone)
			h->list[kept++] = h->list[i];
	h->count = kept;
}

static int give(const struct taking *t, const struct ku_place *at, const struct ku_block *b,
		uint64_t freed)
{
	int err = 0;

	for (size_t i = 0; i < t->count && !err; i++) {
		const struct heir *heir = &t->heirs[i];

		if (heir->parent == at->image && b->time < heir->start && freed > heir->start)
			err = add_block(heir->to, at->addr, b);
	}
	return err;
}

static int take_block(void *arg, const void *key, const void *value)
{
	const struct ku_block *b = value;

	return b->flags & KU_BLOCK_GONE ? 0 : give(arg, key, b, UINT64_MAX);
}

static int take_heirloom(void *arg, const void *key, const void *value)
{
	const struct ku_heirloom *h = value;

	return give(arg, key, &h->b, h->freed);
}

static int compare_blocks(const void *a, const void *b)
{
	const struct inherited_block *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

/* A block that was freed during the walk has been met twice. */
static void sort_blocks(struct heap_inherited *h)
{
	size_t kept = 0;

	if (h->count)
		qsort(h->list, h->count, sizeof(*h->list), compare_blocks);
	for (size_t i = 0; i < h->count; i++)
		if (!kept || h->list[kept - 1].addr != h->list[i].addr)
			h->list[kept++] = h->list[i];
	h->count = kept;
}

/* ---- their stacks ---------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int add_stack(struct heap_inherited *h, const struct inherited_stack *like,
		     const uint64_t *ip)
{
	struct inherited_stack *bigger = array_grow(h->stacks, h->stack_count, &h->stack_room,
						    sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	h->stacks = bigger;
	bigger[h->stack_count] = *like;
	bigger[h->stack_count].ip = malloc(like->depth * sizeof(*ip) + 1);
	if (!bigger[h->stack_count].ip)
		return -ENOMEM;
	memcpy(bigger[h->stack_count++].ip, ip, like->depth * sizeof(*ip));
	return 0;
}

static int take_stack_of_parent(struct heap_inherited *h, const struct heap_inherited *from,
				uint64_t key)
{
	for (size_t i = 0; from && i < from->stack_count; i++)
		if (from->stacks[i].key == key)
			return add_stack(h, &from->stacks[i], from->stacks[i].ip);
	return 0;	/* none was to be had */
}

static int take_stack(struct heap_tracer *t, const struct heir *heir, uint64_t key)
{
	struct ku_site site;
	struct inherited_stack stack = { .key = key };

	if (heap_tracer_site(t, key, &site))
		return take_stack_of_parent(heir->to, heir->parents, key);
	stack.first_time = site.first_time;
	stack.flags = site.flags;
	stack.depth = site.depth < KU_MAX_DEPTH ? site.depth : KU_MAX_DEPTH;
	return add_stack(heir->to, &stack, (const uint64_t *)site.ip);
}

int heap_inherited_stack(struct heap_inherited *h, struct heap_tracer *t,
			 const struct heap_inherited *parents, uint64_t key)
{
	const struct heir heir = { .parents = parents, .to = h };

	for (size_t i = 0; i < h->stack_count; i++)
		if (h->stacks[i].key == key)
			return 0;
	return key ? take_stack(t, &heir, key) : 0;
}

/* As long as the parent's are there. */
static int take_stacks(struct heap_tracer *t, const struct heir *heir)
{
	uint64_t *keys = calloc(heir->to->count + 1, sizeof(*keys));
	size_t count = heir->to->count;
	int err = keys ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && keys; i++)
		keys[i] = heir->to->list[i].b.site;
	if (keys)
		qsort(keys, count, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < count && !err; i++)
		if (keys[i] && (!i || keys[i] != keys[i - 1]))
			err = take_stack(t, heir, keys[i]);
	free(keys);
	return err;
}

int heap_inherited_take(struct heap_tracer *t, struct heir *heirs, size_t count)
{
	struct taking taking = { heirs, count };
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = add_parents(&heirs[i]);
	if (!err)
		err = heap_tracer_blocks(t, take_mark, &taking);
	for (size_t i = 0; i < count; i++)
		drop_gone(heirs[i].to);
	/* in this order: what is freed meanwhile is an heirloom before it is no block any more */
	if (!err)
		err = heap_tracer_blocks(t, take_block, &taking);
	if (!err)
		err = heap_tracer_heirlooms(t, take_heirloom, &taking);
	for (size_t i = 0; i < count && !err; i++) {
		sort_blocks(heirs[i].to);
		err = take_stacks(t, &heirs[i]);
	}
	return err;
}

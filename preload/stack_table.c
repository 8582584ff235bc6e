// SPDX-License-Identifier: MIT
/* stack_table.c - see stack_table.h. */
#include "stack_table.h"

#include <errno.h>

#include "clock.h"
#include "module_watch.h"
#include "recorder.h"
#include "sys.h"

#define FIRST_SLOTS	4096u
#define INDEX_BITS	22
#define INDEX_MASK	((1u << INDEX_BITS) - 1)
#define VALID		(1ull << 63)	/* of a hash; not set in a word: in doubt */

static_assert(INDEX_MASK == REC_STACK_MASK, "a record holds any index");

struct table {
	uint64_t mask;
	uint64_t used;
	uint64_t word[];
};

static struct table *table;

static size_t table_bytes(uint64_t slots)
{
	return sizeof(struct table) + slots * sizeof(uint64_t);
}

static struct table *new_table(uint64_t slots)
{
	struct table *t = sys_reserve(table_bytes(slots));

	if (t)
		t->mask = slots - 1;
	return t;
}

static uint32_t find(const struct table *t, uint64_t hash)
{
	for (uint64_t i = hash & t->mask;; i = (i + 1) & t->mask) {
		uint64_t word = __atomic_load_n(&t->word[i], __ATOMIC_ACQUIRE);

		if (!word)
			return STACK_NONE;
		if ((word ^ hash) >> INDEX_BITS == 0)
			return (uint32_t)(word & INDEX_MASK);
	}
}

/* The word of the stack, in doubt or not, or NULL. Under the growth lock. */
static uint64_t *find_word(struct table *t, uint64_t hash)
{
	for (uint64_t i = hash & t->mask; t->word[i]; i = (i + 1) & t->mask)
		if (((t->word[i] | VALID) ^ hash) >> INDEX_BITS == 0)
			return &t->word[i];
	return NULL;
}

static uint64_t word_of(uint64_t hash, uint32_t index)
{
	return (hash & ~(uint64_t)INDEX_MASK) | index;
}

static void put(struct table *t, uint64_t hash, uint64_t word)
{
	uint64_t i = hash & t->mask;

	while (t->word[i])
		i = (i + 1) & t->mask;
	__atomic_store_n(&t->word[i], word, __ATOMIC_RELEASE);
	t->used++;
}

/* Keeps at least a quarter of the places empty. False: no memory for that. */
static bool make_room(void)
{
	struct table *old = table, *t;

	if (old->used < old->mask / 4 * 3)
		return true;
	t = new_table((old->mask + 1) * 2);
	if (!t)
		return old->used < old->mask - old->mask / 8;
	for (uint64_t i = 0; i <= old->mask; i++)
		if (old->word[i])
			put(t, recorder.stacks[old->word[i] & INDEX_MASK].hash, old->word[i]);
	__atomic_store_n(&table, t, __ATOMIC_RELEASE);
	return true;
}

int stack_table_init(void)
{
	int ret = shm_grow(&recorder.shm, SECT_STACKS, 2 * sizeof(struct session_stack));

	if (ret)
		return ret;
	if (table)
		sys_munmap(table, table_bytes(table->mask + 1));
	table = new_table(FIRST_SLOTS);
	if (!table)
		return -ENOMEM;
	recorder.stacks = (void *)recorder.shm.sect[SECT_STACKS].base;
	recorder.stacks[STACK_INDEX_OVERFLOW].flags = STACK_OVERFLOW;
	recorder.hdr->section[SECT_STACKS].used = 2;
	return 0;
}

static bool frames_equal(const struct frame_cache *c, const struct stack_view *view, uint32_t index)
{
	const struct session_stack *s = &recorder.stacks[index];
	const uint64_t *frames = (const uint64_t *)recorder.shm.sect[SECT_FRAMES].base + s->frames;

	return s->depth == view->depth && s->flags == view->flags &&
	       s->epoch == (uint32_t)recorder.hdr->epoch &&
	       stack_equals_frames(c, view->depth, frames);
}

/* Appends the stack. Under the growth lock. */
static uint32_t append(const struct frame_cache *c, const struct stack_view *view, uint64_t hash)
{
	struct session_section *stacks = &recorder.hdr->section[SECT_STACKS];
	struct session_section *frames = &recorder.hdr->section[SECT_FRAMES];
	uint32_t index = (uint32_t)stacks->used;
	struct session_stack *s;

	if (index > recorder.cfg.max_stacks || index >= INDEX_MASK || !make_room())
		return STACK_NONE;
	if (shm_grow(&recorder.shm, SECT_STACKS, (stacks->used + 1) * sizeof(*s)) ||
	    shm_grow(&recorder.shm, SECT_FRAMES, (frames->used + view->depth) * sizeof(uint64_t))) {
		recorder_loss(LOSS_NO_SPACE, 1);
		return STACK_NONE;
	}
	recorder.stacks = (void *)recorder.shm.sect[SECT_STACKS].base;
	s = &recorder.stacks[index];
	stack_copy_frames(c, view->depth,
			  (uint64_t *)recorder.shm.sect[SECT_FRAMES].base + frames->used);
	*s = (struct session_stack){
		.hash = hash,
		.frames = frames->used,
		.depth = view->depth,
		.flags = view->flags,
		.epoch = (uint32_t)recorder.hdr->epoch,
		.first_tick = clock_tick() - recorder.tick0,
	};
	__atomic_store_n(&frames->used, frames->used + view->depth, __ATOMIC_RELEASE);
	__atomic_store_n(&stacks->used, index + 1u, __ATOMIC_RELEASE);
	put(table, hash, word_of(hash, index));
	if (view->flags & STACK_CUT)
		recorder_loss(LOSS_DEPTH_CUT, 1);
	if (view->flags & (STACK_PARTIAL | STACK_GUESSED))
		recorder_loss(LOSS_UNWIND, 1);
	return index;
}

/* Equal addresses in different epochs are different code. The constants are arbitrary. */
static uint64_t table_hash(uint64_t stack_hash)
{
	uint64_t h = stack_hash + recorder.hdr->epoch * 0x9e3779b97f4a7c15ull;

	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	return h | VALID;	/* never an empty word */
}

/* Under the growth lock. */
static uint32_t find_or_append(const struct frame_cache *c, const struct stack_view *view)
{
	uint64_t hash = table_hash(view->hash), *word;

	while ((word = find_word(table, hash)) &&
	       !frames_equal(c, view, (uint32_t)(*word & INDEX_MASK)))
		hash = (hash * 0x2545f4914f6cdd1dull + 1) | VALID;
	if (!word)
		return append(c, view, hash);
	__atomic_store_n(word, *word | VALID, __ATOMIC_RELEASE);
	return (uint32_t)(*word & INDEX_MASK);
}

/* What will be written to soon is asked for, in case nobody else is faster. */
static void expect_new(uint32_t depth)
{
	const struct session_section *section = recorder.hdr->section;
	uintptr_t frames = (uintptr_t)recorder.shm.sect[SECT_FRAMES].base +
			   section[SECT_FRAMES].used * sizeof(uint64_t);
	uintptr_t site = (uintptr_t)recorder.sites +
			 section[SECT_SITES].used * sizeof(struct session_site);

	__builtin_prefetch(&recorder.stacks[section[SECT_STACKS].used], 1);
	__builtin_prefetch((const void *)site, 1);
	for (uint32_t i = 0; i < depth; i += 64 / sizeof(uint64_t))
		__builtin_prefetch((const void *)(frames + i * sizeof(uint64_t)), 1);
}

static COLD uint32_t insert(const struct frame_cache *c, const struct stack_view *view)
{
	uint32_t index;

	expect_new(view->depth);
	/* Before the lock, which it takes if some object is new; it may advance the epoch. */
	module_watch_stack(c, view->depth);
	lock_acquire(&recorder.grow);
	index = find_or_append(c, view);
	if (index == STACK_NONE) {
		recorder_loss(LOSS_STACKS_FULL, 1);
		index = STACK_INDEX_OVERFLOW;
	}
	if (clock_tick() - recorder.hdr->clock.tick1 > CLOCK_STALE)
		clock_update(&recorder.hdr->clock);
	lock_release(&recorder.grow);
	return index;
}

uint32_t stack_table_index(const struct frame_cache *c, const struct stack_view *view)
{
	uint64_t hash = table_hash(view->hash);
	uint32_t index = find(__atomic_load_n(&table, __ATOMIC_ACQUIRE), hash);

	return likely(index != STACK_NONE) ? index : insert(c, view);
}

void stack_table_doubt(void)
{
	for (uint64_t i = 0; i <= table->mask; i++)
		__atomic_store_n(&table->word[i], table->word[i] & ~VALID, __ATOMIC_RELAXED);
}

uint64_t stack_table_bytes(void)
{
	return table ? table_bytes(table->mask + 1) : 0;
}

// SPDX-License-Identifier: MIT
/* recipes.c - see recipes.h. */
#include "recipes.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "cfi.h"
#include "sys.h"

#define TABLE_BYTES ((size_t)RECIPE_BUCKETS * RECIPE_WAYS * sizeof(uint64_t))

static_assert((1ull << (48 - RECIPE_TAG_BITS)) == RECIPE_BUCKETS, "bucket bits");
static_assert(RECIPE_TAG_BITS + RECIPE_BITS == 64, "a word holds tag and recipe");

uint64_t *recipe_table;
uint64_t recipe_front[RECIPE_BUCKETS] __attribute__((aligned(4096)));

int recipes_init(void)
{
	if (!recipe_table)
		recipe_table = sys_reserve(TABLE_BYTES);
	return recipe_table ? 0 : -ENOMEM;
}

void recipes_flush(void)
{
	/* Dropping the pages zeroes each word at once for every reader. */
	sys_madvise(recipe_table, TABLE_BYTES, MADV_DONTNEED);
	sys_madvise(recipe_front, sizeof(recipe_front), MADV_DONTNEED);
}

static_assert(CFI_SP == 0, "recipe_is_simple");

static recipe_t pack(const struct cfi_rule *rule)
{
	int32_t cfa = rule->cfa_off / 8;
	int32_t below = -rule->bp_off / 8;

	if (rule->kind == CFI_END)
		return RECIPE_END;
	if (rule->kind == CFI_NONE)
		return RECIPE_NONE | 1u << 5;
	if (rule->kind != CFI_STEP || rule->cfa_off % 8 || rule->bp_off % 8 || cfa < -0x4000 ||
	    cfa > 0x3fff || below > 0x7ff)
		return RECIPE_COMPLEX;
	if (rule->base == CFI_SP && (cfa <= 0 || below > cfa || rule->bp_at_bp))
		return RECIPE_COMPLEX;
	return RECIPE_STEP | (recipe_t)rule->base << 2 | (recipe_t)rule->bp_at_bp << 4 |
	       (recipe_t)below << 5 | ((recipe_t)cfa & 0x7fff) << 16;
}

/* All of @ip: the bucket's bits, then the tag's. */
static uint64_t key_of(uintptr_t ip)
{
	uint64_t page = recipe_page(ip);

	return page >> 27 << 39 | (ip >> 6 & 63) << 33 | (page & ((1ull << 27) - 1)) << 6 | (ip & 63);
}

static uint64_t *bucket_of(uint64_t key)
{
	return recipe_table + (key >> RECIPE_TAG_BITS) * RECIPE_WAYS;
}

static void remember(uint64_t key, recipe_t r)
{
	uint64_t *bucket = bucket_of(key);
	uint64_t word = key << RECIPE_BITS | r;
	uint64_t empty = 0;

	for (int i = 0; i < RECIPE_WAYS; i++, empty = 0)
		if (__atomic_compare_exchange_n(&bucket[i], &empty, word, 0, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return;
	__atomic_store_n(&bucket[key % RECIPE_WAYS], word, __ATOMIC_RELAXED);
}

static COLD recipe_t make(uintptr_t ip)
{
	/* ip - 1: a call may be the last instruction of its function */
	struct cfi_rule rule = cfi_lookup(ip - 1);
	recipe_t r = pack(&rule);

	remember(key_of(ip), r);
	return r;
}

static recipe_t find(uintptr_t ip)
{
	uint64_t key = key_of(ip), tag = key << RECIPE_BITS;
	const uint64_t *bucket = bucket_of(key);

	for (int i = 0; i < RECIPE_WAYS; i++) {
		uint64_t word = __atomic_load_n(&bucket[i], __ATOMIC_RELAXED);

		if (!word)
			break;
		if ((word ^ tag) < (1ull << RECIPE_BITS))
			return (recipe_t)(word & ((1ull << RECIPE_BITS) - 1));
	}
	return make(ip);
}

recipe_t recipe_behind(uintptr_t ip)
{
	uint64_t tag, *place = recipe_place(ip, &tag);
	recipe_t r = find(ip);

	__atomic_store_n(place, tag | r, __ATOMIC_RELAXED);
	return r;
}

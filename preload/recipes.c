// SPDX-License-Identifier: MIT
/* recipes.c - see recipes.h. */
#include "recipes.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "cfi.h"
#include "sys.h"

static_assert(RECIPE_BUCKET_BYTES == RECIPE_BUCKET_WORDS * sizeof(uint64_t), "bucket");

struct recipe_table recipe_table = { .mask = RECIPE_BYTES_MIN - RECIPE_BUCKET_BYTES };
recipe_t recipe_other[RECIPE_OTHERS];

/* Writes to the pages of these bytes before they are read: else they would be faulted twice. */
static void touch(uint64_t from, uint64_t to)
{
	for (; from < to; from += 4096)
		__atomic_fetch_or((uint64_t *)(recipe_table.base + from), 0, __ATOMIC_RELAXED);
}

int recipes_init(void)
{
	if (!recipe_table.base)
		recipe_table.base = sys_reserve(RECIPE_BYTES_MAX);
	if (!recipe_table.base)
		return -ENOMEM;
	touch(0, RECIPE_BYTES_MIN);
	return 0;
}

void recipes_flush(void)
{
	/* Dropping the pages zeroes each word at once for every reader. */
	sys_madvise(recipe_table.base, RECIPE_BYTES_MAX, MADV_DONTNEED);
}

static_assert(CFI_SP == 0, "recipe_of");

static recipe_t pack(const struct cfi_rule *rule)
{
	int32_t cfa = rule->cfa_off / 8;
	int32_t below = -rule->bp_off / 8;

	if (rule->kind == CFI_END)
		return RECIPE_END;
	if (rule->kind == CFI_NONE)
		return RECIPE_NONE;
	if (rule->kind != CFI_STEP || rule->cfa_off % 8 || rule->bp_off % 8 || cfa < -0x4000 ||
	    cfa > 0x3fff || below > 0x7ff)
		return RECIPE_COMPLEX;
	if (rule->base == CFI_SP && (cfa <= 0 || below > cfa || rule->bp_at_bp))
		return RECIPE_COMPLEX;
	return RECIPE_STEP | (recipe_t)rule->base << 2 | (recipe_t)rule->bp_at_bp << 4 |
	       (recipe_t)below << 5 | ((recipe_t)cfa & 0x7fff) << 16;
}

/* The number of @r among the others, 0 (RECIPE_COMPLEX) if there is no room. */
static unsigned int number_of(recipe_t r)
{
	for (unsigned int i = 1; r && i < RECIPE_OTHERS; i++) {
		recipe_t found = 0;

		if (__atomic_compare_exchange_n(&recipe_other[i], &found, r, 0, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED) || found == r)
			return i;
	}
	return 0;
}

static recipe_code_t encode(recipe_t r)
{
	uintptr_t below = recipe_bp_below(r) / 8;
	intptr_t cfa = recipe_cfa_off(r) / 8;

	if (recipe_kind(r) == RECIPE_STEP && !recipe_base(r) && !recipe_bp_at_bp(r) && cfa <= 0x7ff &&
	    below <= 15)
		return (recipe_code_t)(1 | cfa << 1 | (intptr_t)below << 12);
	return (recipe_code_t)(number_of(r) << 1);
}

/* Is @word of an address that @bucket is the place of? */
static bool belongs(uint64_t word, const uint64_t *bucket, uint64_t mask)
{
	return recipe_bucket(word >> RECIPE_CODE_BITS, mask) == bucket;
}

/*
 * Puts @word in a place that is free, or that has a word from when there were fewer buckets:
 * in its own, or one behind. False: there is none.
 */
static bool put(uint64_t word, uint64_t mask)
{
	uintptr_t ip = word >> RECIPE_CODE_BITS;
	uint64_t *bucket = recipe_bucket(ip, mask);

	for (unsigned int i = 0; i < RECIPE_BUCKET_WORDS; i++) {
		uint64_t *place = &bucket[recipe_place(ip, i)];
		uint64_t was = __atomic_load_n(place, __ATOMIC_RELAXED);

		if ((!was || !belongs(was, bucket, mask)) &&
		    __atomic_compare_exchange_n(place, &was, word, 0, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/* Twice as many buckets. False: there are as many as there can be. */
static bool grow(uint64_t mask)
{
	uint64_t more = mask + mask + RECIPE_BUCKET_BYTES;

	if (more >= RECIPE_BYTES_MAX)
		return false;
	if (__atomic_compare_exchange_n(&recipe_table.mask, &mask, more, 0, __ATOMIC_RELAXED,
					__ATOMIC_RELAXED))
		touch(mask + RECIPE_BUCKET_BYTES, more);
	return true;
}

static void remember(uintptr_t ip, recipe_code_t code)
{
	uint64_t word = (uint64_t)ip << RECIPE_CODE_BITS | code, mask;

	do {
		mask = __atomic_load_n(&recipe_table.mask, __ATOMIC_RELAXED);
		if (put(word, mask))
			return;
	} while (grow(mask));
	__atomic_store_n(&recipe_bucket(ip, mask)[recipe_place(ip, 0)], word, __ATOMIC_RELAXED);
}

static COLD recipe_code_t make(uintptr_t ip)
{
	/* ip - 1: a call may be the last instruction of its function */
	struct cfi_rule rule = cfi_lookup(ip - 1);
	recipe_code_t code = encode(pack(&rule));

	remember(ip, code);
	return code;
}

/* The word of @ip where @mask leads to, or 0. */
static uint64_t find(uintptr_t ip, uint64_t mask)
{
	const uint64_t *bucket = recipe_bucket(ip, mask);

	for (unsigned int i = 0; i < RECIPE_BUCKET_WORDS; i++) {
		uint64_t word = __atomic_load_n(&bucket[recipe_place(ip, i)], __ATOMIC_RELAXED);

		if (word >> RECIPE_CODE_BITS == ip)
			return word;
	}
	return 0;
}

recipe_code_t recipe_behind(uintptr_t ip)
{
	uint64_t mask = __atomic_load_n(&recipe_table.mask, __ATOMIC_RELAXED);
	uint64_t word = find(ip, mask);

	if (word)
		return (recipe_code_t)word;
	/* That was interrupted (FRAME_EXACT), or is none. */
	if (ip >> (64 - RECIPE_CODE_BITS))
		return encode(RECIPE_NONE);
	/* There were half as many buckets when it was made? */
	word = find(ip, mask / 2 & mask);
	if (!word)
		return make(ip);
	remember(ip, (recipe_code_t)word);
	return (recipe_code_t)word;
}

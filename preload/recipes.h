// SPDX-License-Identifier: MIT
/*
 * recipes.h - how to step out of a frame, by its return address: a lock-free
 * cache of cfi.h's rules.
 *
 * A recipe and the address it belongs to share one 8-byte word, so that a
 * reader never sees half of an update and no lock is needed. Of a 48-bit address
 * the 36 bits that name its page are multiplied by an odd constant (a bijection): 9
 * bits of the product select one of 512 pages of buckets, and bits 6 to 11 of the
 * address a bucket there, which is one cache line. The other 33 are kept as the tag;
 * 31 bits are left for the rule. So what is near is near here, too, and code that is
 * new costs few page faults.
 *
 * In front of the buckets is a table with one word for each of 32768 places, for
 * what is in use now: here 6 bits of the product select one of 64 pages, and bits 3
 * to 11 of the address the place.
 */
#ifndef PRELOAD_RECIPES_H
#define PRELOAD_RECIPES_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

/*
 * 31 bits, the lowest first: kind 2, base 2, bp_at_bp 1, -bp_off / 8 11,
 * cfa_off / 8 signed 15. RECIPE_NONE (no information about this address) has
 * another bit set, for a word must not be empty.
 *
 * With base CFI_SP, cfa_off is positive and the saved bp lies between sp and the
 * CFA: nothing is left to check per step but that the CFA can be read.
 */
typedef uint32_t recipe_t;

enum recipe_kind { RECIPE_NONE = 0, RECIPE_STEP = 1, RECIPE_END = 2, RECIPE_COMPLEX = 3 };

#define RECIPE_WAYS	8
#define RECIPE_BUCKETS	(1u << 15)
#define RECIPE_TAG_BITS	33
#define RECIPE_BITS	31

extern uint64_t *recipe_table __attribute__((visibility("hidden")));
extern uint64_t recipe_front[RECIPE_BUCKETS] __attribute__((visibility("hidden")));

/* 0 or -ENOMEM. Once, before the first look-up. */
int recipes_init(void);

/* Forgets all: code was unloaded. Any thread, any time. */
void recipes_flush(void);

/* The recipe of @ip, which is not in front, and is from now on. */
recipe_t recipe_behind(uintptr_t ip);

/* The 4 KiB of code that @ip is in, scattered: a bijection of 36 bits. */
static ALWAYS_INLINE uint64_t recipe_page(uintptr_t ip)
{
	return (ip >> 12) * 0x9e3779b97f4a7c15ull & ((1ull << 36) - 1);
}

/* Where it is in front, and the tag that it has there: together they are the address. */
static ALWAYS_INLINE uint64_t *recipe_place(uintptr_t ip, uint64_t *tag)
{
	uint64_t page = recipe_page(ip);

	*tag = (page & ((1ull << 30) - 1)) << 34 | (ip & 7) << RECIPE_BITS;
	return &recipe_front[(page >> 30) << 9 | (ip >> 3 & 511)];
}

static ALWAYS_INLINE recipe_t recipe_for(uintptr_t ip)
{
	uint64_t tag, word = __atomic_load_n(recipe_place(ip, &tag), __ATOMIC_RELAXED);

	if (likely((word ^ tag) < (1ull << RECIPE_BITS) && word))
		return (recipe_t)(word & ((1ull << RECIPE_BITS) - 1));
	return recipe_behind(ip);
}

static ALWAYS_INLINE unsigned int recipe_kind(recipe_t r)
{
	return r & 3;
}

/* The step that nearly every frame of optimized code needs: CFA = rsp + n. */
static ALWAYS_INLINE bool recipe_is_simple(recipe_t r)
{
	return (r & 0x1f) == RECIPE_STEP;
}

static ALWAYS_INLINE unsigned int recipe_base(recipe_t r)
{
	return (r >> 2) & 3;
}

static ALWAYS_INLINE unsigned int recipe_bp_at_bp(recipe_t r)
{
	return (r >> 4) & 1;
}

static ALWAYS_INLINE intptr_t recipe_cfa_off(recipe_t r)
{
	return (intptr_t)((int32_t)(r << 1) >> 17) * 8;
}

/* How far below the CFA the caller's rbp is saved; 0: it is unchanged. */
static ALWAYS_INLINE uintptr_t recipe_bp_below(recipe_t r)
{
	return (uintptr_t)((r >> 5) & 0x7ff) * 8;
}

#endif

// SPDX-License-Identifier: MIT
/*
 * recipes.h - how to step out of a frame, by its return address: a lock-free
 * cache of cfi.h's rules.
 *
 * A word of the table holds an address, in 48 bits, and what is known of it in 16, so
 * that a reader never sees half of an update and no lock is needed: the rule itself, if
 * it is of the form that nearly all have, else the number of one of the few others.
 *
 * The 32 bytes of code that an address is in (16 calls at most) choose a bucket, bits 3 to
 * 6 its place there; what finds that taken is in another place. A full bucket makes the
 * table twice as large: words stay where they are until somebody looks for them, or wants
 * the place. So what a small program needs lies in one page, and in few cache lines.
 */
#ifndef PRELOAD_RECIPES_H
#define PRELOAD_RECIPES_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

/*
 * 31 bits, the lowest first: kind 2, base 2, bp_at_bp 1, -bp_off / 8 11,
 * cfa_off / 8 signed 15.
 *
 * With base CFI_SP, cfa_off is positive and the saved bp lies between sp and the
 * CFA: nothing is left to check per step but that the CFA can be read.
 */
typedef uint32_t recipe_t;

enum recipe_kind { RECIPE_COMPLEX = 0, RECIPE_STEP = 1, RECIPE_END = 2, RECIPE_NONE = 3 };

/*
 * The 16 bits. Odd: CFA = rsp + n, and the caller's rbp is saved within 120 bytes of it, or
 * unchanged; cfa_off / 8 11 bits, -bp_off / 8 4. Even: twice the number of a recipe.
 */
typedef uint16_t recipe_code_t;

#define RECIPE_CODE_BITS	16
#define RECIPE_OTHERS		1024u	/* any more are RECIPE_COMPLEX */
#define RECIPE_BUCKET_WORDS	16u
#define RECIPE_BUCKET_BYTES	128u
#define RECIPE_BYTES_MIN	4096ul
#define RECIPE_BYTES_MAX	(2ul << 20)

struct recipe_table {
	char *base;
	uint64_t mask;		/* bytes in use, less the last bucket's */
};

extern struct recipe_table recipe_table __attribute__((visibility("hidden")));
extern recipe_t recipe_other[RECIPE_OTHERS] __attribute__((visibility("hidden")));

/* 0 or -ENOMEM. Once, before the first look-up. */
int recipes_init(void);

/* Forgets all: code was unloaded. Any thread, any time. */
void recipes_flush(void);

/* The same as recipe_code(), which has found another address's word, or none. */
recipe_code_t recipe_behind(uintptr_t ip);

static ALWAYS_INLINE uint64_t *recipe_bucket(uintptr_t ip, uint64_t mask)
{
	uint64_t at = (ip >> 5) * 0x9e3779b97f4a7c15ull >> 32 & mask;

	return (uint64_t *)(recipe_table.base + at);
}

/* In its bucket the word of @ip is in place 0, or else 1 and so on. */
static ALWAYS_INLINE unsigned int recipe_place(uintptr_t ip, unsigned int i)
{
	return ((unsigned int)(ip >> 3) + i) % RECIPE_BUCKET_WORDS;
}

static ALWAYS_INLINE recipe_code_t recipe_code(uintptr_t ip)
{
	uint64_t mask = __atomic_load_n(&recipe_table.mask, __ATOMIC_RELAXED), word;

	word = __atomic_load_n(&recipe_bucket(ip, mask)[recipe_place(ip, 0)], __ATOMIC_RELAXED);
	return likely(word >> RECIPE_CODE_BITS == ip) ? (recipe_code_t)word : recipe_behind(ip);
}

/* The step that nearly every frame of optimized code needs. */
static ALWAYS_INLINE bool recipe_is_simple(recipe_code_t c)
{
	return c & 1;
}

static ALWAYS_INLINE uintptr_t recipe_simple_cfa_off(recipe_code_t c)
{
	return (uintptr_t)(c & 0xffe) << 2;
}

static ALWAYS_INLINE uintptr_t recipe_simple_bp_below(recipe_code_t c)
{
	return (uintptr_t)(c >> 12) << 3;
}

/* All that @c says. */
static ALWAYS_INLINE recipe_t recipe_of(recipe_code_t c)
{
	if (recipe_is_simple(c))
		return RECIPE_STEP | (recipe_t)(c >> 12) << 5 | (recipe_t)(c >> 1 & 0x7ff) << 16;
	return __atomic_load_n(&recipe_other[c >> 1], __ATOMIC_RELAXED);
}

static ALWAYS_INLINE recipe_t recipe_for(uintptr_t ip)
{
	return recipe_of(recipe_code(ip));
}

static ALWAYS_INLINE unsigned int recipe_kind(recipe_t r)
{
	return r & 3;
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

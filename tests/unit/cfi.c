// SPDX-License-Identifier: MIT
/*
 * Call frame information: rows, steps, expressions and recipes, from hand-made
 * .eh_frame data. The test is linked with --wrap=_dl_find_object, so that the code
 * under test finds this data for the addresses of `code`.
 */
#include "preload/cfi.h"

#include <dlfcn.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "preload/cfi_expr.h"
#include "preload/recipes.h"
#include "preload/sys.h"
#include "preload/recorder.h"

struct recorder recorder;	/* not frozen */

enum { CODE = 4096, DATA = 4096 };

static char code[CODE];
static struct {
	_Alignas(8) uint8_t bytes[DATA];
	size_t used;
} data;
static uint32_t entries;
static size_t cie_at;

int __wrap__dl_find_object(void *pc, struct dl_find_object *found);

int __wrap__dl_find_object(void *pc, struct dl_find_object *found)
{
	static struct link_map map;

	if ((char *)pc < code || (char *)pc >= code + CODE)
		return -1;
	*found = (struct dl_find_object){ .dlfo_eh_frame = data.bytes, .dlfo_link_map = &map };
	return 0;
}

static uintptr_t at(size_t offset)
{
	return (uintptr_t)code + offset;
}

/* ---- building ------------------------------------------------------------------- */

static void put(const void *p, size_t n)
{
	assert_true(data.used + n <= DATA);
	memcpy(data.bytes + data.used, p, n);
	data.used += n;
}

static void put32(uint32_t v)
{
	put(&v, 4);
}

static void put_relative(uintptr_t to)
{
	put32((uint32_t)(to - (uintptr_t)(data.bytes + data.used)));
}

enum { TABLE = 12, TABLE_MAX = 8, ENTRIES = TABLE + TABLE_MAX * 8 };

/* A header whose table is filled as entries are added, in ascending order. */
static void begin_data(void)
{
	static const uint8_t head[] = { 1, 0x1b, 0x03, 0x3b };

	memset(&data, 0, sizeof(data));
	entries = 0;
	put(head, sizeof(head));
	data.used = ENTRIES;
}

static void end_entry(size_t length_at)
{
	uint32_t length = (uint32_t)(data.used - length_at - 4);

	memcpy(data.bytes + length_at, &length, 4);
}

static void add_cie(const char *augmentation)
{
	static const uint8_t aligns[] = { 1, 0x78, 16 };	/* code 1, data -8, ra 16 */
	static const uint8_t initial[] = { 0x0c, 7, 8, 0x90, 1 };	/* CFA = rsp + 8, ra at -8 */

	cie_at = data.used;
	put32(0);
	put32(0);
	put("\1", 1);
	put(augmentation, strlen(augmentation) + 1);
	put(aligns, sizeof(aligns));
	put("\1\x1b", 2);
	put(initial, sizeof(initial));
	end_entry(cie_at);
}

static void add_fde(size_t from, uint32_t size, const uint8_t *insns, size_t n)
{
	uint32_t pair[2] = { (uint32_t)(at(from) - (uintptr_t)data.bytes), (uint32_t)data.used };
	size_t fde = data.used;

	assert_true(entries < TABLE_MAX);
	memcpy(data.bytes + TABLE + entries++ * 8, pair, 8);
	memcpy(data.bytes + 8, &entries, 4);
	put32(0);
	put32((uint32_t)(data.used - cie_at));
	put_relative(at(from));
	put32(size);
	put("", 1);
	put(insns, n);
	end_entry(fde);
}

/* One function at code[16..116) with these instructions. */
static void one_function(const char *augmentation, const uint8_t *insns, size_t n)
{
	begin_data();
	add_cie(augmentation);
	add_fde(16, 100, insns, n);
}

#define FUNCTION(...)                                                                              \
	one_function("zR", (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* ---- rules ---------------------------------------------------------------------- */

static void rule_is(size_t offset, enum cfi_base base, int cfa_off, int bp_off)
{
	struct cfi_rule r = cfi_lookup(at(offset));

	assert_int_equal(r.kind, CFI_STEP);
	assert_int_equal(r.base, base);
	assert_int_equal(r.cfa_off, cfa_off);
	assert_int_equal(r.bp_off, bp_off);
}

static void kind_is(size_t offset, enum cfi_kind kind)
{
	assert_int_equal(cfi_lookup(at(offset)).kind, kind);
}

/* push %rbp; mov %rsp, %rbp; ...; leave; ret */
static void frame_pointer_function(void **state)
{
	(void)state;
	FUNCTION(0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x02, 50, 0x0c, 7, 8, 0xc6);
	kind_is(15, CFI_NONE);
	rule_is(16, CFI_SP, 8, 0);
	rule_is(17, CFI_SP, 16, -16);
	rule_is(19, CFI_SP, 16, -16);
	rule_is(20, CFI_BP, 16, -16);
	rule_is(69, CFI_BP, 16, -16);
	rule_is(70, CFI_SP, 8, 0);
	rule_is(115, CFI_SP, 8, 0);
	kind_is(116, CFI_NONE);
}

static void realigned_function(void **state)
{
	struct cfi_rule r;

	(void)state;
	/* CFA = *(rbp - 8); rbp saved at rbp + 0 */
	FUNCTION(0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0);
	r = cfi_lookup(at(16));
	assert_int_equal(r.kind, CFI_STEP);
	assert_int_equal(r.base, CFI_BP_DEREF);
	assert_int_equal(r.cfa_off, -8);
	assert_true(r.bp_at_bp);
}

static void forms_that_do_not_fit(void **state)
{
	(void)state;
	FUNCTION(0x0d, 12);			/* CFA = r12 + 8 */
	kind_is(16, CFI_COMPLEX);
	FUNCTION(0x0f, 2, 0x77, 8);		/* CFA = expression rsp + 8 */
	kind_is(16, CFI_COMPLEX);
	FUNCTION(0x90, 2);			/* ra at CFA - 16 */
	kind_is(16, CFI_COMPLEX);
	FUNCTION(0x09, 16, 1);			/* ra in rdx */
	kind_is(16, CFI_COMPLEX);
	FUNCTION(0x14, 6, 2);			/* rbp is CFA - 16 */
	kind_is(16, CFI_COMPLEX);
	FUNCTION(0x07, 6);			/* rbp undefined */
	kind_is(16, CFI_COMPLEX);
	FUNCTION(0x07, 16);			/* ra undefined: the outermost frame */
	kind_is(16, CFI_END);
	one_function("zRS", (const uint8_t *)"", 1);
	kind_is(16, CFI_COMPLEX);
}

static void states_are_remembered(void **state)
{
	(void)state;
	FUNCTION(0x0e, 16, 0x0a, 0x41, 0x0e, 32, 0x41, 0x0b, 0x41, 0x0e, 48);
	rule_is(16, CFI_SP, 16, 0);
	rule_is(17, CFI_SP, 32, 0);
	rule_is(18, CFI_SP, 16, 0);
	rule_is(19, CFI_SP, 48, 0);
	/* more than can be remembered, and more than was */
	FUNCTION(0x0a, 0x0a, 0x0a, 0x0a, 0x0a);
	kind_is(16, CFI_NONE);
	FUNCTION(0x0a, 0x0b, 0x0b);
	kind_is(16, CFI_NONE);
}

static void the_right_entry_is_found(void **state)
{
	static const uint8_t insns[] = { 0x0e, 16, 0x0e, 24, 0x0e, 32 };

	(void)state;
	begin_data();
	add_cie("zR");
	for (uint32_t i = 0; i < 3; i++)
		add_fde(100 + i * 100, 50, insns + i * 2, 2);
	for (int i = 0; i < 3; i++) {
		kind_is((size_t)(99 + i * 100), CFI_NONE);
		rule_is((size_t)(100 + i * 100), CFI_SP, 16 + i * 8, 0);
		rule_is((size_t)(149 + i * 100), CFI_SP, 16 + i * 8, 0);
		kind_is((size_t)(150 + i * 100), CFI_NONE);
	}
	begin_data();
	add_cie("zR");
	kind_is(16, CFI_NONE);	/* an empty table */
}

/* ---- steps ---------------------------------------------------------------------- */

static uintptr_t stack[16];

static bool read_stack(void *arg, uintptr_t addr, uintptr_t *value)
{
	uintptr_t from = (uintptr_t)stack;

	(void)arg;
	if (addr < from || addr > from + sizeof(stack) - 8 || addr & 7)
		return false;
	memcpy(value, (void *)addr, 8);
	return true;
}

static struct cfi_regs regs_in(size_t offset)
{
	struct cfi_regs r = { .known = (1u << CFI_REGS) - 1 };

	for (int i = 0; i < CFI_REGS; i++)
		r.reg[i] = 1000u + (unsigned int)i;
	for (uintptr_t i = 0; i < 16; i++)
		stack[i] = 500 + i;
	r.reg[CFI_REG_SP] = (uintptr_t)stack;
	r.reg[CFI_REG_RA] = at(offset) + 1;	/* a return address */
	return r;
}

static void all_rules_are_applied(void **state)
{
	struct cfi_regs r = regs_in(20);

	(void)state;
	/* CFA = rsp + 64; rbx at -24; r12 = CFA - 32; r13 in r14; r15 at (CFA - 40); rax = 1 */
	FUNCTION(0x0e, 64, 0x83, 3, 0x14, 12, 4, 0x09, 13, 14, 0x10, 15, 2, 0x23, 0, 0x16, 0, 1, 0x31,
		 0x07, 1);
	assert_int_equal(cfi_step(&r, read_stack, NULL), CFI_STEP);
	assert_int_equal(r.reg[CFI_REG_SP], (uintptr_t)(stack + 8));
	assert_int_equal(r.reg[CFI_REG_RA], 507);
	assert_int_equal(r.reg[CFI_REG_BX], 505);
	assert_int_equal(r.reg[12], (uintptr_t)(stack + 4));
	assert_int_equal(r.reg[13], 1014);
	assert_int_equal(r.reg[15], 508);	/* the word at CFA + 0 */
	assert_int_equal(r.reg[0], 1);
	assert_false(r.known & 2);	/* rdx was said to be undefined */
	assert_int_equal(r.reg[CFI_REG_BP], 1006);
	assert_false(r.exact);
}

static void signal_frames_are_exact(void **state)
{
	static const uint8_t insns[] = { 0x0f, 3, 0x77, 16, 0x06, 0x10, 16, 2, 0x77, 24 };
	struct cfi_regs r = regs_in(20);

	(void)state;
	one_function("zRS", insns, sizeof(insns));
	stack[2] = (uintptr_t)(stack + 10);
	assert_int_equal(cfi_step(&r, read_stack, NULL), CFI_STEP);
	assert_true(r.exact);
	assert_int_equal(r.reg[CFI_REG_SP], (uintptr_t)(stack + 10));
	assert_int_equal(r.reg[CFI_REG_RA], 503);
}

/* What cannot be read or is not known ends the walk and changes nothing. */
static void refusals_change_nothing(void **state)
{
	struct cfi_regs r = regs_in(20), before;

	(void)state;
	FUNCTION(0x0e, 0xff, 0x7f);	/* CFA far outside of the stack */
	before = r;
	assert_int_equal(cfi_step(&r, read_stack, NULL), CFI_COMPLEX);
	assert_memory_equal(&r, &before, sizeof(r));
	FUNCTION(0x0d, 12);
	r.known &= ~(1u << 12);
	before = r;
	assert_int_equal(cfi_step(&r, read_stack, NULL), CFI_COMPLEX);
	assert_memory_equal(&r, &before, sizeof(r));
	r.reg[CFI_REG_RA] = at(2000);
	assert_int_equal(cfi_step(&r, read_stack, NULL), CFI_NONE);
}

/* ---- expressions ------------------------------------------------------------------ */

#define EXPRESSION(out, ...)                                                                       \
	evaluate((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }), out)

static bool evaluate(const uint8_t *expr, size_t n, uintptr_t *out)
{
	struct cfi_regs r = regs_in(0);
	struct cfi_expr_env env = { &r, read_stack, NULL };
	uintptr_t initial = 7;

	r.known &= ~(1u << 13);
	return cfi_evaluate(&env, expr, (uint32_t)n, &initial, out);
}

static void expressions(void **state)
{
	uintptr_t v = 0;

	(void)state;
	assert_true(EXPRESSION(&v, 0x23, 5) && v == 12);		/* plus_uconst */
	assert_true(EXPRESSION(&v, 0x31, 0x1c) && v == 6);		/* 7 - 1 */
	assert_true(EXPRESSION(&v, 0x09, 0xff, 0x22) && v == 6);	/* const1s -1, plus */
	assert_true(EXPRESSION(&v, 0x76, 0x78) && v == 1006 - 8);	/* breg6 -8 */
	assert_true(EXPRESSION(&v, 0x77, 8, 0x06) && v == 501);		/* breg7 8, deref */
	assert_true(EXPRESSION(&v, 0x12, 0x1e) && v == 49);		/* dup, mul */
	assert_true(EXPRESSION(&v, 0x34, 0x24) && v == 7 << 4);		/* shl */
	assert_true(EXPRESSION(&v, 0x08, 70, 0x24) && v == 0);		/* shl by too much */
	assert_true(EXPRESSION(&v, 0x37, 0x29) && v == 1);		/* eq */
	/* refused: unknown register, memory, operator, underflow, endless, cut off */
	assert_false(EXPRESSION(&v, 0x7d, 0));
	assert_false(EXPRESSION(&v, 0x30, 0x06));
	assert_false(EXPRESSION(&v, 0xff));
	assert_false(EXPRESSION(&v, 0x13, 0x13));
	assert_false(EXPRESSION(&v, 0x2f, 0xfd, 0xff));			/* a jump back */
	assert_false(EXPRESSION(&v, 0x0c, 1, 2));
	assert_false(EXPRESSION(&v, 0x10, 0x80, 0x80));
}

/* ---- damage ----------------------------------------------------------------------- */

/* Whatever the bytes, each step ends, in one of the ways there are. */
static void step_everywhere(void)
{
	for (size_t offset = 14; offset < 120; offset += 7) {
		struct cfi_regs r = regs_in(offset);

		assert_in_range(cfi_lookup(at(offset)).kind, CFI_COMPLEX, CFI_NONE);
		assert_in_range(cfi_step(&r, read_stack, NULL), CFI_COMPLEX, CFI_NONE);
	}
}

static void cut_off_instructions(void **state)
{
	static const uint8_t insns[] = { 0x41, 0x0e, 16,   0x86, 2,    0x04, 1, 0, 0,    0,	 0x0f, 3, 0x76,
					 0x78, 0x06, 0x10, 6,	 2,    0x76, 0, 5, 0x83, 0x01, 2 };

	(void)state;
	for (size_t n = 0; n <= sizeof(insns); n++) {
		one_function("zR", insns, n);
		step_everywhere();
	}
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void random_instructions(void **state)
{
	uint8_t insns[40];
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t n = next_random(&seed) % sizeof(insns);

		for (size_t i = 0; i < n; i++)
			insns[i] = (uint8_t)(next_random(&seed) % 3 ? next_random(&seed) % 0x18 :
								     next_random(&seed));
		one_function("zR", insns, n);
		step_everywhere();
	}
}

static void random_expressions(void **state)
{
	uint32_t seed = 2;
	uint8_t expr[24];
	uintptr_t v;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		size_t n = 1 + next_random(&seed) % (sizeof(expr) - 1);

		for (size_t i = 0; i < n; i++)
			expr[i] = (uint8_t)next_random(&seed);
		evaluate(expr, n, &v);
	}
}

static void damaged_headers(void **state)
{
	(void)state;
	FUNCTION(0x0e, 16);
	rule_is(16, CFI_SP, 16, 0);
	for (size_t i = 0; i < 4; i++) {
		uint8_t was = data.bytes[i];

		data.bytes[i] = 0xff;
		if (i != 1)	/* how .eh_frame's own address is encoded doesn't matter much */
			kind_is(16, CFI_NONE);
		data.bytes[i] = was;
	}
	one_function("zX", (const uint8_t *)"", 1);
	kind_is(16, CFI_NONE);
	one_function("eh", (const uint8_t *)"", 1);
	kind_is(16, CFI_NONE);
}

/* ---- recipes ---------------------------------------------------------------------- */

static recipe_t recipe_at(size_t offset)
{
	recipes_flush();
	return recipe_for(at(offset) + 1);
}

static void recipes_hold_what_fits(void **state)
{
	recipe_t r;

	(void)state;
	assert_int_equal(recipes_init(), 0);
	FUNCTION(0x0e, 0xf8, 0xff, 0x07, 0x86, 3);	/* CFA = rsp + 131064, the most there is */
	r = recipe_at(16);
	assert_int_equal(recipe_kind(r), RECIPE_STEP);
	assert_int_equal(recipe_base(r), 0);
	assert_int_equal(recipe_cfa_off(r), 131064);
	assert_int_equal(recipe_bp_below(r), 24);
	FUNCTION(0x0e, 0x80, 0x80, 0x08);		/* 8 more */
	assert_int_equal(recipe_kind(recipe_at(16)), RECIPE_COMPLEX);
	FUNCTION(0x0e, 12);				/* not a multiple of 8 */
	assert_int_equal(recipe_kind(recipe_at(16)), RECIPE_COMPLEX);
	FUNCTION(0x0c, 6, 16, 0x86, 2);
	r = recipe_at(16);
	assert_int_equal(recipe_kind(r), RECIPE_STEP);
	assert_int_equal(recipe_base(r), 1);
	FUNCTION(0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0);
	r = recipe_at(16);
	assert_int_equal(recipe_kind(r), RECIPE_STEP);
	assert_int_equal(recipe_base(r), 2);
	assert_int_equal(recipe_cfa_off(r), -8);
	assert_true(recipe_bp_at_bp(r));
	FUNCTION(0x07, 16);
	assert_int_equal(recipe_kind(recipe_at(16)), RECIPE_END);
	assert_int_equal(recipe_kind(recipe_at(3000)), RECIPE_NONE);
}

/* Kept until the flush, and never another address's, however full the table is. */
static void recipes_are_kept(void **state)
{
	(void)state;
	assert_int_equal(recipes_init(), 0);
	FUNCTION(0x0e, 16);
	assert_int_equal(recipe_cfa_off(recipe_at(16)), 16);
	FUNCTION(0x0e, 32);
	assert_int_equal(recipe_cfa_off(recipe_for(at(16) + 1)), 16);
	assert_int_equal(recipe_cfa_off(recipe_at(16)), 32);
	for (uintptr_t ip = 1; ip < 3u << 18; ip++)
		assert_int_equal(recipe_kind(recipe_for(ip * 4096)), RECIPE_NONE);
	assert_int_equal(recipe_cfa_off(recipe_for(at(16) + 1)), 32);
	assert_int_equal(recipe_kind(recipe_for(at(15) + 1)), RECIPE_NONE);
}

/* Most of what is in use is found again when the table has become larger. */
static void recipes_outlast_growth(void **state)
{
	int found = 0;

	(void)state;
	assert_int_equal(recipes_init(), 0);
	recipes_flush();
	FUNCTION(0x0e, 16);
	for (size_t i = 0; i < 24; i++)
		assert_int_equal(recipe_cfa_off(recipe_for(at(16 + 4 * i) + 1)), 16);
	FUNCTION(0x0e, 32);
	for (uintptr_t ip = 1; ip < 1u << 14; ip++) {
		recipe_for(ip * 4096);
		for (size_t i = 0; i < 24 && ip % 64 == 0; i++)
			recipe_for(at(16 + 4 * i) + 1);
	}
	for (size_t i = 0; i < 24; i++)
		found += recipe_cfa_off(recipe_for(at(16 + 4 * i) + 1)) == 16;
	assert_in_range(found, 12, 24);
}

/* The first few hundred take no more memory than a page. */
static void few_recipes_take_a_page(void **state)
{
	(void)state;
	assert_int_equal(recipes_init(), 0);
	for (uintptr_t ip = 1; ip < 100; ip++)
		recipe_for(ip * 4096);
	assert_int_equal(sys_resident(recipe_table.base, RECIPE_BYTES_MAX), 4096);
}

/* An interrupted instruction may follow a call, but has another row than that. */
static void what_was_interrupted_has_no_recipe(void **state)
{
	(void)state;
	assert_int_equal(recipes_init(), 0);
	FUNCTION(0x0e, 16);
	recipes_flush();
	assert_int_equal(recipe_kind(recipe_for((at(16) + 1) | 1ull << 63)), RECIPE_NONE);
	assert_int_equal(recipe_cfa_off(recipe_for(at(16) + 1)), 16);
	assert_int_equal(recipe_kind(recipe_for((at(16) + 1) | 1ull << 63)), RECIPE_NONE);
}

/* Rules that are not of the usual form have numbers, of which there are not so many. */
static void other_recipes_are_numbered(void **state)
{
	int complex = 0;

	(void)state;
	assert_int_equal(recipes_init(), 0);
	for (unsigned int n = 1; n < 0x4000; n += 8) {
		uint8_t low = (uint8_t)(n * 8 | 0x80), mid = (uint8_t)(n >> 4 | 0x80);
		recipe_t r;

		FUNCTION(0x0c, 6, low, mid, (uint8_t)(n >> 11), 0x86, 2);	/* CFA = rbp + 8 * n */
		r = recipe_at(16);
		assert_int_equal(recipe_of(recipe_code(at(16) + 1)), r);
		if (recipe_kind(r) == RECIPE_COMPLEX) {
			complex++;
			continue;
		}
		assert_int_equal(recipe_base(r), 1);
		assert_int_equal(recipe_cfa_off(r), 8 * n);
		assert_int_equal(recipe_bp_below(r), 16);
	}
	assert_in_range(complex, 1, 0x4000 / 8 - RECIPE_OTHERS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_pointer_function),
		cmocka_unit_test(realigned_function),
		cmocka_unit_test(forms_that_do_not_fit),
		cmocka_unit_test(states_are_remembered),
		cmocka_unit_test(the_right_entry_is_found),
		cmocka_unit_test(all_rules_are_applied),
		cmocka_unit_test(signal_frames_are_exact),
		cmocka_unit_test(refusals_change_nothing),
		cmocka_unit_test(expressions),
		cmocka_unit_test(cut_off_instructions),
		cmocka_unit_test(random_instructions),
		cmocka_unit_test(random_expressions),
		cmocka_unit_test(damaged_headers),
		cmocka_unit_test(few_recipes_take_a_page),
		cmocka_unit_test(what_was_interrupted_has_no_recipe),
		cmocka_unit_test(recipes_hold_what_fits),
		cmocka_unit_test(recipes_outlast_growth),
		cmocka_unit_test(recipes_are_kept),
		cmocka_unit_test(other_recipes_are_numbered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
/* The shadow of the address space: each 32 bytes have a slot of their own. */
#include "preload/live_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define LEAF	(1ul << LEAF_SHIFT)
#define TOP	(1ul << ADDRESS_BITS)

static int start(void **state)
{
	(void)state;
	return live_init();
}

static void nothing_is_there_at_first(void **state)
{
	(void)state;
	assert_null(live_slot(0));
	assert_null(live_slot(0x10000));
	assert_null(live_slot(TOP - 32));
	assert_null(live_slot(TOP));
	assert_null(live_slot(UINTPTR_MAX));
}

static void other_address_spaces_have_no_slot(void **state)
{
	(void)state;
	assert_null(live_slot_make(TOP));
	assert_null(live_slot_make(UINTPTR_MAX));
	assert_null(live_slot_make(1ul << 63));
	assert_null(live_slot_make(TOP - 1));	/* no multiple of 8 */
	assert_non_null(live_slot_make(TOP - 8));
	assert_non_null(live_slot_make(0));
}

static void neighbours_do_not_share(void **state)
{
	const uintptr_t edges[] = { 64 * LEAF, 65 * LEAF, 100 * LEAF + 4096 };

	(void)state;
	for (size_t e = 0; e < sizeof(edges) / sizeof(edges[0]); e++) {
		uint32_t *first = live_slot_make(edges[e] - 32), *second = live_slot_make(edges[e]);

		assert_non_null(first);
		assert_non_null(second);
		assert_ptr_not_equal(first, second);
		*first = 7;
		assert_int_equal(*second, 0);
		/* all of a granule is one slot, also for those who only look */
		assert_ptr_equal(live_slot(edges[e] + 24), second);
		assert_ptr_equal(live_slot(edges[e] - 8), first);
		*first = 0;
	}
}

/* Random addresses against what was stored last, in a small space with collisions. */
static void values_stay_where_they_were_put(void **state)
{
	enum { PLACES = 5000 };
	static uint32_t model[PLACES];

	(void)state;
	srand(1);
	for (uint32_t i = 1; i < 100000; i++) {
		size_t n = (size_t)rand() % PLACES;
		uintptr_t addr = 0x7f0000000000ul + n * (LEAF / 16 + 32) + (uintptr_t)rand() % 32 / 8 * 8;
		uint32_t *slot = live_slot_make(addr);

		assert_non_null(slot);
		assert_int_equal(*slot, model[n]);
		*slot = model[n] = i % 5 ? i : 0;
	}
}

/* A heap that grows upwards, and one downwards, through parts that become huge pages. */
static void dense_heaps(void **state)
{
	enum { BLOCKS = 1 << 20, STEP = 64 };
	const uintptr_t up = 0x100000000000ul, down = 0x200000000000ul;

	(void)state;
	for (uint32_t i = 0; i < BLOCKS; i++) {
		*live_slot_make(up + i * STEP) = i + 1;
		*live_slot_make(down - i * STEP) = i + 1;
	}
	assert_null(live_slot(up - STEP));
	for (uint32_t i = 0; i < BLOCKS; i++) {
		assert_int_equal(*live_slot_used(up + i * STEP), i + 1);
		assert_int_equal(*live_slot_used(up + i * STEP + STEP / 2), 0);
		assert_int_equal(*live_slot_used(down - i * STEP), i + 1);
	}
}

/* Parts that are used here and there have no memory but where they are used. */
static void sparse_heaps(void **state)
{
	const uintptr_t base = 0x300000000000ul;
	uint64_t before = live_resident_bytes();

	(void)state;
	for (uintptr_t i = 0; i < 64; i++)
		*live_slot_make(base + i * (LEAF / 8)) = 1;
	assert_true(live_resident_bytes() - before <= 64 * 4096);
}

static void reset_forgets_all(void **state)
{
	uint32_t *slots[100];

	(void)state;
	for (uintptr_t i = 0; i < 100; i++) {
		slots[i] = live_slot_make(i * LEAF + i * 32);
		*slots[i] = 1 + (uint32_t)i;
	}
	live_reset();
	assert_null(live_slot_used(0x100000000000ul));
	for (uintptr_t i = 0; i < 100; i++)
		assert_int_equal(*live_slot_make(i * LEAF + i * 32), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_there_at_first),
		cmocka_unit_test(other_address_spaces_have_no_slot),
		cmocka_unit_test(neighbours_do_not_share),
		cmocka_unit_test(values_stay_where_they_were_put),
		cmocka_unit_test(dense_heaps),
		cmocka_unit_test(sparse_heaps),
		cmocka_unit_test(reset_forgets_all),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}

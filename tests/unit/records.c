// SPDX-License-Identifier: MIT
/*
 * Places for records, taken and given back by threads at random, against a model that knows
 * who holds which: none is handed out twice, and none is lost.
 */
#include "preload/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 3, PLACES = 20000, LIVE = 8000, ROUNDS = 400000 };

struct recorder recorder;
union gate_page recorder_gate;

static struct thread_state *thread[THREADS];
static bool held[PLACES];
static uint32_t live[LIVE], count;

static int begin_session(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/records-test-%d.leak", getpid());
	assert_int_equal(shm_create(&recorder.shm, path, 16 << 20), 0);
	shm_remove(&recorder.shm);
	recorder.hdr = recorder.shm.hdr;
	for (int i = 0; i < THREADS; i++)
		assert_non_null(thread[i] = calloc(1, sizeof(*thread[i])));
	srandom(1);
	return 0;
}

static int end_session(void **state)
{
	(void)state;
	for (int i = 0; i < THREADS; i++)
		free(thread[i]);
	shm_unmap(&recorder.shm);
	return 0;
}

static uint64_t used(void)
{
	return recorder.hdr->section[SECT_RECORDS].used;
}

static void take(struct thread_state *t)
{
	struct session_block b = { .addr = 0x10000, .size = 16, .stack = 1 };
	uint32_t index = record_new(t, &b);

	assert_in_range(index, 1, PLACES - 1);
	assert_true(index < used());
	assert_false(held[index]);
	held[index] = true;
	live[count++] = index;
}

/* It is free from now on in the model. */
static uint32_t let_go(uint32_t at)
{
	uint32_t index = live[at];

	live[at] = live[--count];
	held[index] = false;
	return index;
}

static void give_back(struct thread_state *t, uint32_t at)
{
	record_drop(t, let_go(at));
}

/* As plain_free() does it: without a look at the list's length. */
static void put_plainly(struct thread_state *t, uint32_t index)
{
	record_clear(&recorder.records[index]);
	recorder.records[index].time_stack = t->free_at;
	t->free_at = record_offset(index);
	t->free_count++;
}

static void give_back_plainly(struct thread_state *t, uint32_t at)
{
	put_plainly(t, let_go(at));
}

static void churn(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct thread_state *t = thread[random() % THREADS];
		uint32_t most = i / (ROUNDS / 8) % 2 ? LIVE / 8 : LIVE;	/* grows and shrinks */

		if (!count || (count < most && random() % 2))
			take(t);
		else if (random() % 8)
			give_back_plainly(t, (uint32_t)random() % count);
		else
			give_back(t, (uint32_t)random() % count);
	}
}

static void no_place_is_given_twice_or_lost(void **state)
{
	(void)state;
	churn();
	assert_true(used() < LIVE + THREADS * 2 * (RECORD_BATCH + RECORDS_LONG));
}

/* One allocates what another frees. */
static void places_come_back_from_other_threads(void **state)
{
	uint64_t before;

	(void)state;
	while (count)
		give_back(thread[0], count - 1);
	before = used();
	for (int i = 0; i < ROUNDS; i++) {
		take(thread[1]);
		if (i % 16)
			give_back_plainly(thread[2], 0);
		else
			give_back(thread[2], 0);
	}
	assert_true(used() <= before + RECORD_BATCH);
}

static void all_free_places_are_found_after_a_fork(void **state)
{
	uint64_t before = used();

	(void)state;
	for (int i = 0; i < THREADS; i++)
		memset(thread[i], 0, sizeof(*thread[i]));
	records_relink(before);
	while (count < before - 1)
		take(thread[0]);
	assert_int_equal(used(), before);
	take(thread[0]);
	assert_true(used() > before);
}

static void a_very_long_list_changes_hands(void **state)
{
	enum { LONG = 3 * (UINT16_MAX + 1) };
	static uint32_t all[LONG];
	struct session_block b = { .addr = 0x10000, .size = 16, .stack = 1 };
	uint64_t before;

	(void)state;
	for (int i = 0; i < LONG; i++)
		assert_true(all[i] = record_new(thread[0], &b));
	before = used();
	for (int i = 0; i < LONG; i++)
		put_plainly(thread[1], all[i]);
	records_give(thread[1]);
	for (int i = 0; i < LONG; i++)
		assert_true(record_new(thread[2], &b));
	assert_int_equal(used(), before);
}

/* Whoever takes a long list keeps it: not every event of a kind takes the lock. */
static void a_long_list_does_not_go_to_and_fro(void **state)
{
	struct session_block b = { .addr = 0x10000, .size = 16, .stack = 1 };

	(void)state;
	for (int i = 0; i < 4 * RECORDS_LONG; i++)
		put_plainly(thread[1], record_new(thread[0], &b));
	records_give(thread[1]);
	thread[2]->free_at = 0;
	for (int i = 0; i < 100; i++) {
		uint32_t before, index = record_new(thread[2], &b);

		before = recorder.free_batches;
		record_drop(thread[2], index);
		assert_int_equal(recorder.free_batches, before);
		assert_true(thread[2]->free_at != 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_place_is_given_twice_or_lost),
		cmocka_unit_test(places_come_back_from_other_threads),
		cmocka_unit_test(all_free_places_are_found_after_a_fork),
		cmocka_unit_test(a_very_long_list_changes_hands),
		cmocka_unit_test(a_long_list_does_not_go_to_and_fro),
	};

	return cmocka_run_group_tests(tests, begin_session, end_session);
}

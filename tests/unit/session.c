// SPDX-License-Identifier: MIT
/* The session writer and reader: what is written is read, also while it grows. */
#include "common/session_reader.h"
#include "tests/support/sample.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/session-test-XXXXXX";

struct tally {
	uint64_t count, bytes, largest;
	uint32_t stack;
};

static int add_block(void *arg, const struct session_block *b)
{
	struct tally *t = arg;

	t->count++;
	t->bytes += b->size;
	if (b->size > t->largest) {
		t->largest = b->size;
		t->stack = b->stack;
	}
	return 0;
}

static int add_krecord(void *arg, const struct session_krecord *r)
{
	struct tally *t = arg;

	t->count++;
	t->bytes += r->size;
	t->stack = r->stack;
	return 0;
}

static int add_site(void *arg, const struct session_site *site)
{
	struct tally *t = arg;

	t->count += site->alloc_count;
	t->bytes += site->alloc_bytes - site->free_bytes;
	return 0;
}

static int add_point(void *arg, const struct session_point *p)
{
	struct tally *t = arg;

	t->count++;
	t->bytes += p->bytes;
	return 0;
}

static struct session *open_ok(void)
{
	struct session *s = NULL;

	assert_int_equal(session_open(path, &s), 0);
	assert_non_null(s);
	return s;
}

static void test_process(void **state)
{
	const struct session_stack *stack;
	const struct session_header *h;
	const uint64_t *frames;
	struct session *s;
	struct tally t = { 0 };
	uint32_t depth;

	(void)state;
	assert_int_equal(sample_process(path), 0);
	s = open_ok();
	h = session_header(s);
	assert_int_equal(h->pid, SAMPLE_PID);
	assert_int_equal(h->state, SESSION_ENDED);
	assert_string_equal(session_string(s, h->cmdline), "sample --leak 16");
	assert_int_equal(session_each_block(s, add_block, &t), 0);
	assert_int_equal(t.count, 6);
	assert_int_equal(t.bytes, 5 * 16 + 4096);
	stack = session_stack(s, t.stack);
	frames = session_frames(s, stack, &depth);
	assert_int_equal(depth, 3);
	assert_int_equal(stack->flags, STACK_CUT);
	assert_int_equal(frames[2], 0x1234);
	assert_ptr_equal(session_find_module(s, frames[0], 0), session_module(s, 1));
	assert_null(session_find_module(s, frames[2], 0));
	memset(&t, 0, sizeof(t));
	assert_int_equal(session_each_site(s, add_site, &t), 0);
	assert_int_equal(t.count, 10);
	assert_int_equal(t.bytes, 5 * 16 + 4096);
	memset(&t, 0, sizeof(t));
	assert_int_equal(session_each_point(s, add_point, &t), 0);
	assert_int_equal(t.count, 4);
	assert_int_equal(session_last_ns(s), 1000000000 + SAMPLE_END_NS);
	assert_false(session_damage(s)->truncated || session_damage(s)->corrupt);
	assert_int_equal(session_damage(s)->bad_entries, 0);
	session_close(s);
}

static void test_kernel(void **state)
{
	const struct session_ksym *k;
	struct session *s;
	struct tally t = { 0 };
	const uint64_t *frames;
	uint32_t depth;

	(void)state;
	assert_int_equal(sample_kernel(path), 0);
	s = open_ok();
	assert_int_equal(session_each_krecord(s, add_krecord, &t), 0);
	assert_int_equal(t.count, 4);
	frames = session_frames(s, session_stack(s, t.stack), &depth);
	assert_int_equal(depth, 3);
	k = session_find_ksym(s, frames[1]);
	assert_non_null(k);
	assert_string_equal(session_string(s, k->name), "alloc_empty_file");
	assert_null(session_find_ksym(s, frames[1] + 1));
	assert_string_equal(session_string(s, session_cache(s, 2)->name), "kmalloc-4k");
	assert_null(session_cache(s, 0));
	assert_null(session_cache(s, 3));
	assert_string_equal(session_task(s, 1)->comm, "nginx");
	assert_int_equal(session_header(s)->loss[LOSS_MAP_FULL], 7);
	session_close(s);
}

/* Equal stacks and strings are stored once; different flags and epochs are different stacks. */
static void test_once(void **state)
{
	const uint64_t f[] = { 1, 2, 3 };
	struct session_writer *w;
	uint32_t a;

	(void)state;
	assert_int_equal(sample_begin(path, SESSION_WRITE_WHOLE, &w), 0);
	a = session_writer_stack(w, f, 3, 0, 0);
	assert_true(a > 1);
	assert_int_equal(session_writer_stack(w, f, 3, 0, 0), a);
	assert_int_not_equal(session_writer_stack(w, f, 2, 0, 0), a);
	assert_int_not_equal(session_writer_stack(w, f, 3, STACK_CUT, 0), a);
	assert_int_not_equal(session_writer_stack(w, f, 3, 0, 1), a);
	assert_int_equal(session_writer_stack(w, NULL, 0, STACK_OVERFLOW, 0), 1);
	a = session_writer_string(w, "one");
	assert_int_equal(session_writer_string(w, "one"), a);
	assert_int_not_equal(session_writer_string(w, "two"), a);
	assert_int_equal(session_writer_string(w, ""), 0);
	session_writer_abort(w);
}

/* A live file is readable after each sync; sections continue in further extents. */
static void test_live(void **state)
{
	struct session_writer *w;
	struct session *s = NULL;

	(void)state;
	assert_int_equal(sample_begin(path, SESSION_WRITE_LIVE, &w), 0);
	assert_int_equal(session_open(path, &s), -ENODATA);
	for (uint64_t round = 1; round <= 8; round++) {
		struct tally t = { 0 };

		for (uint64_t i = 0; i < 5000; i++) {
			uint64_t frames[] = { round, i, SAMPLE_BASE };
			struct session_block r = sample_record(32 * (round * 5000 + i), 8,
				session_writer_stack(w, frames, 3, 0, 0), 1);

			session_writer_record(w, &r);
		}
		assert_int_equal(session_writer_sync(w), 0);
		assert_int_equal(s ? session_refresh(s) : session_open(path, &s), 0);
		assert_int_equal(session_each_block(s, add_block, &t), 0);
		assert_int_equal(t.count, round * 5000);
		assert_int_equal(session_count(s, SECT_STACKS), 2 + round * 5000);
		assert_int_equal(session_damage(s)->bad_entries, 0);
	}
	session_writer_edit_record(w, 17)->addr_size = 0;
	assert_int_equal(session_writer_finish(w, SESSION_END_EXIT), 0);
	struct tally t = { 0 };
	assert_int_equal(session_refresh(s), 0);
	assert_int_equal(session_each_block(s, add_block, &t), 0);
	assert_int_equal(t.count, 8 * 5000 - 1);
	assert_true(session_header(s)->extent_count > 10);
	assert_false(session_damage(s)->truncated || session_damage(s)->corrupt);
	session_close(s);
}

/* Blocks at the limits of what a record holds, in both its forms. */
static const struct session_block limits[] = {
	{ .addr = 8, .size = 0, .tick = 0, .stack = 1, .thread = 0 },
	{ .addr = 0x7ffffffffff8, .size = REC_SIZE_MAX, .tick = REC_TICKS, .stack = 1, .thread = 0xfffe },
	{ .addr = 0x7f0000000010, .size = REC_SIZE_MAX + 1, .tick = 1600, .stack = 1, .thread = 3,
	  .timed = true },
	{ .addr = 0x1000, .size = (1ull << 52) + 1, .tick = SAMPLE_END_NS, .stack = 1,
	  .thread = REC_THREAD_OTHER, .kind = REC_NEW, .inherited = true },
	{ .addr = 0x2000, .size = 3, .tick = 32, .stack = 1, .mean = 15, .inherited = true },
	{ .addr = 0x3000, .size = REC_SIZE_MAX * 4096, .stack = 1, .kind = REC_MMAP },
	{ .addr = 0x4000, .size = (REC_SIZE_MAX + 1) * 4096, .stack = 1, .kind = REC_MMAP },
};

static int compare_block(void *arg, const struct session_block *b)
{
	size_t *n = arg;
	const struct session_block *want = &limits[(*n)++];

	assert_int_equal(b->addr, want->addr);
	assert_int_equal(b->size, want->size);
	assert_int_equal(b->tick, want->tick);
	assert_int_equal(b->stack, want->stack);
	assert_int_equal(b->thread, want->thread);
	assert_int_equal(b->kind, want->kind);
	assert_int_equal(b->mean, want->mean);
	assert_int_equal(b->inherited, want->inherited);
	assert_int_equal(b->timed, want->timed);
	return 0;
}

static void test_blocks(void **state)
{
	const size_t count = sizeof(limits) / sizeof(limits[0]);
	struct session_writer *w;
	struct session *s;

	(void)state;
	/* finished, and as if it were being written */
	for (int live = 0; live < 2; live++) {
		size_t n = 0;

		assert_int_equal(sample_begin(path, SESSION_WRITE_LIVE, &w), 0);
		for (size_t i = 0; i < count; i++)
			assert_true(session_writer_record(w, &limits[i]) > 0);
		assert_int_equal(live ? session_writer_sync(w) :
				 session_writer_finish(w, SESSION_END_EXIT), 0);
		s = open_ok();
		assert_int_equal(session_each_block(s, compare_block, &n), 0);
		assert_int_equal(n, count);
		assert_int_equal(session_damage(s)->bad_entries + session_damage(s)->torn_entries, 0);
		session_close(s);
		if (live)
			session_writer_abort(w);
	}
}

/* Extensions that are none, or nowhere, are no blocks, and said so. */
static void test_lost_extension(void **state)
{
	struct session_block b = sample_record(0x1000, 1 << 20, 1, 1);
	struct session_writer *w;
	struct session *s;
	struct tally t = { 0 };
	uint32_t index;

	(void)state;
	assert_int_equal(sample_begin(path, SESSION_WRITE_WHOLE, &w), 0);
	index = session_writer_record(w, &b);
	session_writer_edit_record(w, index)->time_stack = index;
	index = session_writer_record(w, &b);
	session_writer_edit_record(w, index)->time_stack = UINT64_MAX;
	session_writer_record(w, &b);
	assert_int_equal(session_writer_finish(w, SESSION_END_EXIT), 0);
	s = open_ok();
	assert_int_equal(session_each_block(s, add_block, &t), 0);
	assert_int_equal(t.count, 1);
	assert_int_equal(session_damage(s)->bad_entries, 2);
	session_close(s);
}

/* A record's time is modulo REC_TIME_SPAN; the last one before now is meant. */
static void test_wrapped_time(void **state)
{
	const uint64_t spans[] = { 0, 1, 2, 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		for (uint64_t age = 0; age < REC_TIME_SPAN; age += REC_TIME_SPAN / 8) {
			uint64_t now = spans[i] * REC_TIME_SPAN + 123456 * REC_TICKS;

			if (age > now)
				continue;
			assert_int_equal(session_record_tick(session_record_time(now - age), now),
					 now - age);
		}
	/* later than now, but the recording is younger than a span: as it stands */
	assert_int_equal(session_record_tick(session_record_time(1600), 160), 1600);
}

static int remove_file(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_lost_extension),
		cmocka_unit_test(test_wrapped_time),
	};

	close(mkstemp(path));
	return cmocka_run_group_tests(tests, NULL, remove_file);
}

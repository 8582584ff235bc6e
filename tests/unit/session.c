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
			struct session_record r = sample_record(32 * (round * 5000 + i), 8,
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
	session_writer_edit_record(w, 17)->addr_thread = 0;
	assert_int_equal(session_writer_finish(w, SESSION_END_EXIT), 0);
	struct tally t = { 0 };
	assert_int_equal(session_refresh(s), 0);
	assert_int_equal(session_each_block(s, add_block, &t), 0);
	assert_int_equal(t.count, 8 * 5000 - 1);
	assert_true(session_header(s)->extent_count > 10);
	assert_false(session_damage(s)->truncated || session_damage(s)->corrupt);
	session_close(s);
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
	};

	close(mkstemp(path));
	return cmocka_run_group_tests(tests, NULL, remove_file);
}

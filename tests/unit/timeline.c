// SPDX-License-Identifier: MIT
/* Timelines: bounded, evenly spread, added to finished sessions. */
#include "common/timeline.h"
#include "tests/support/sample.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/timeline-test-XXXXXX";

struct seen {
	struct session *s;
	uint64_t points, bytes, last_tick;
};

static int see_point(void *arg, const struct session_point *p)
{
	struct seen *seen = arg;
	uint64_t tick;

	assert_true(session_time(seen->s, p->time, &tick));
	/* Each point's figures are made from its tick: none has moved to another time. */
	assert_int_equal(p->bytes, tick * 8);
	assert_int_equal(p->count, tick);
	seen->points++;
	seen->last_tick = tick;
	return 0;
}

static void fill(struct timeline *t, uint64_t times, uint32_t stacks)
{
	for (uint64_t tick = 0; tick < times; tick++) {
		if (timeline_begin(t, tick) != 1)
			continue;
		for (uint32_t i = 0; i < stacks; i++)
			assert_int_equal(timeline_add(t, 2, tick, tick * 8), 0);
	}
}

static struct seen read_back(void)
{
	struct seen seen = { 0 };

	assert_int_equal(session_open(path, &seen.s), 0);
	assert_int_equal(session_each_point(seen.s, see_point, &seen), 0);
	assert_false(session_damage(seen.s)->truncated || session_damage(seen.s)->corrupt);
	assert_int_equal(session_damage(seen.s)->bad_entries, 0);
	return seen;
}

static void start(struct session_writer **w)
{
	static const uint64_t frames[] = { SAMPLE_BASE + 1 };

	assert_int_equal(sample_begin(path, SESSION_WRITE_WHOLE, w), 0);
	assert_int_equal(session_writer_stack(*w, frames, 1, 0, 0), 2);
}

static void test_thinned(void **state)
{
	struct timeline *t = timeline_new();
	struct session_writer *w;
	struct seen seen;
	uint64_t ticks[2];

	(void)state;
	fill(t, 100000, 1);
	assert_in_range(timeline_times(t), TIMELINE_TIMES_MAX / 2, TIMELINE_TIMES_MAX);
	start(&w);
	timeline_write(t, w);
	assert_int_equal(session_writer_finish(w, SESSION_END_EXIT), 0);
	seen = read_back();
	assert_int_equal(seen.points, timeline_times(t));
	assert_true(seen.last_tick > 99000);
	assert_true(session_time(seen.s, 0, &ticks[0]) && session_time(seen.s, 1, &ticks[1]));
	for (uint64_t i = 2; i < seen.points; i++) {
		uint64_t tick;

		assert_true(session_time(seen.s, i, &tick));
		assert_int_equal(tick, i * (ticks[1] - ticks[0]));
	}
	session_close(seen.s);
	timeline_free(t);
}

static void test_many_points(void **state)
{
	struct timeline *t = timeline_new();

	(void)state;
	fill(t, 64, 1u << 17);
	assert_in_range(timeline_times(t), 4, 16);
	timeline_free(t);
}

static void test_appended(void **state)
{
	struct timeline *t = timeline_new();
	struct session_writer *w;
	struct seen seen;

	(void)state;
	start(&w);
	assert_int_equal(session_writer_finish(w, SESSION_END_EXIT), 0);
	assert_int_equal(timeline_append(t, path), 0);
	fill(t, 300, 40);
	assert_int_equal(timeline_append(t, path), 0);
	seen = read_back();
	assert_int_equal(seen.points, 300 * 40);
	session_close(seen.s);
	assert_int_equal(timeline_append(t, path), -EEXIST);
	assert_int_equal(timeline_append(t, "/nonexistent"), -ENOENT);
	assert_int_equal(timeline_append(t, "/dev/null"), -EBADMSG);
	timeline_free(t);
}

static void test_sampled(void **state)
{
	struct timeline *t = timeline_new();
	struct session *s;

	(void)state;
	assert_int_equal(sample_process(path), 0);
	assert_int_equal(session_open(path, &s), 0);
	assert_int_equal(timeline_sample(t, s, 1, NULL), 0);
	assert_int_equal(timeline_sample(t, s, 2, NULL), 0);
	assert_int_equal(timeline_times(t), 2);
	session_close(s);
	/* the sample has a timeline of its own */
	assert_int_equal(timeline_append(t, path), -EEXIST);
	timeline_free(t);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thinned),
		cmocka_unit_test(test_many_points),
		cmocka_unit_test(test_appended),
		cmocka_unit_test(test_sampled),
	};

	close(mkstemp(path));
	return cmocka_run_group_tests(tests, NULL, remove_file);
}

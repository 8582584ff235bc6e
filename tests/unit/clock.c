// SPDX-License-Identifier: MIT
/* clock.c - the kernel's coarse clock, as its words in memory and as the vDSO say. */
#include "../../preload/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct clock_coarse ask(void)
{
	struct timespec ts;

	clock_vdso(CLOCK_MONOTONIC_COARSE, &ts);
	return (struct clock_coarse){ (uint64_t)ts.tv_sec, (uint64_t)ts.tv_nsec };
}

static bool same(struct clock_coarse a, struct clock_coarse b)
{
	return a.sec == b.sec && a.nsec == b.nsec;
}

static bool found(void)
{
	return clock_vdso && clock_coarse->sec != UINT64_MAX;
}

/* As long as the clock stands, what was caught up with is what the vDSO says. */
static void stands_while_the_vdso_does(void **state)
{
	struct clock_lately l = { { 0, 0 }, 0 };
	int stood = 0, moved = 0;

	(void)state;
	if (!found())
		skip();
	/* (until the clock has moved a few times: some milliseconds, or however long it takes) */
	while (moved < 5) {
		struct clock_coarse before = ask();
		bool stands = clock_stands(&l);

		if (stands && same(before, ask())) {
			assert_true(same(l.coarse, before));
			stood++;
		}
		if (!stands) {
			clock_catch_up(&l);
			moved++;
		}
	}
	assert_true(stood > 0);
}

/* Nothing to rely on: every event has to ask. */
static void without_words_it_never_stands(void **state)
{
	const volatile struct clock_coarse *was = clock_coarse;
	clock_vdso_fn *vdso = clock_vdso;
	struct clock_lately l = { { 0, 0 }, 0 };

	(void)state;
	clock_vdso = NULL;
	clock_find_coarse();
	clock_catch_up(&l);
	assert_false(clock_stands(&l));
	assert_true(l.tick > 0);
	clock_vdso = vdso;
	clock_coarse = was;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stands_while_the_vdso_does),
		cmocka_unit_test(without_words_it_never_stands),
	};

	clock_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

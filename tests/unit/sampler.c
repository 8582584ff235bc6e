// SPDX-License-Identifier: MIT
/*
 * Sampling is unbiased, and the bounds that reports print hold: libleak's sampler
 * draws, the report's estimator adds up, over many seeds. All seeds are fixed.
 */
#include "preload/sampler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/session_format.h"
#include "report/estimate.h"

#define SEEDS	200	/* a group: its mean must be right */
#define GROUPS	10	/* together they say how often the bounds hold */

/* Blocks of one size; every second one is freed again. */
struct class {
	uint64_t size, blocks;
};

/* 1 GiB of each size, allocated in turns. */
static const struct class by_bytes[] = {
	{ 16, 1 << 26 },      { 200, 5368709 },	    { 4096, 1 << 18 },
	{ 65536, 1 << 14 },   { 1 << 20, 1 << 10 }, { 64 << 20, 16 },
};
static const struct class by_count[] = {
	{ 16, 40000 }, { 200, 40000 }, { 4096, 40000 }, { 65536, 40000 }, { 1 << 20, 40000 },
};
enum { BY_BYTES = 6, BY_COUNT = 5, TURNS = 4 };

static struct thread_state thread;

/* Neighbouring seeds must not look alike to xorshift. */
static uint64_t spread(uint64_t seed)
{
	seed *= 0x9e3779b97f4a7c15ull;
	seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9ull;
	return seed ^ seed >> 27;
}

/* How many blocks of @size would pass one after the other, at most @limit. */
static uint64_t passing(uint64_t size, uint64_t limit)
{
	uint64_t cost = (size & thread.cost_mask) + !(size & thread.cost_mask);
	uint64_t n = thread.countdown / cost;

	n = n < limit ? n : limit;
	thread.countdown -= n * cost;
	return n;
}

/* Allocates @n blocks, of which those with an odd number stay. */
static void allocate(uint8_t kind, uint64_t mean, uint64_t size, uint64_t n, struct figure *left)
{
	for (uint64_t i = 0; (i += passing(size, n - i)) < n; i++) {
		if (sampler_passes(&thread, size))
			continue;
		sampler_redraw(&thread, kind, mean);
		if (i % 2)
			estimate_add(left, size, estimate_probability(kind, (double)mean, size));
	}
}

static struct figure run(uint8_t kind, uint64_t mean, const struct class *c, int count, uint64_t seed)
{
	struct figure left = { 0 };

	sampler_seed(&thread, kind, mean, spread(seed));
	for (int turn = 0; turn < TURNS; turn++)
		for (int i = 0; i < count; i++)
			allocate(kind, mean, c[i].size, c[i].blocks / TURNS / 2 * 2, &left);
	return left;
}

static struct figure truth(const struct class *c, int count)
{
	struct figure left = { 0 };

	for (int i = 0; i < count; i++) {
		uint64_t n = c[i].blocks / TURNS / 2 * TURNS;

		left.count += n;
		left.bytes += n * c[i].size;
	}
	return left;
}

static void near(const char *what, double got, double wanted, double relative)
{
	if (fabs(got - wanted) > relative * wanted)
		fail_msg("%s: %.6g instead of %.6g", what, got, wanted);
}

static bool within(double estimate, double variance, uint64_t wanted)
{
	return fabs(estimate - (double)wanted) <= figure_bound(variance);
}

static void holds(const char *what, int covered)
{
	double share = (double)covered / (SEEDS * GROUPS);

	if (share < 0.93 || share > 0.97)
		fail_msg("%s: the bounds hold in %.1f %% of the runs", what, 100 * share);
}

static void unbiased(uint8_t kind, uint64_t mean, const struct class *c, int count)
{
	struct figure want = truth(c, count);
	int counts_hold = 0, bytes_hold = 0;

	for (int group = 0; group < GROUPS; group++) {
		double counts = 0, bytes = 0;

		for (int i = 0; i < SEEDS; i++) {
			struct figure f = run(kind, mean, c, count, (uint64_t)(group * SEEDS + i + 1));

			counts += f.est_count / SEEDS;
			bytes += f.est_bytes / SEEDS;
			counts_hold += within(f.est_count, f.var_count, want.count);
			bytes_hold += within(f.est_bytes, f.var_bytes, want.bytes);
		}
			near("mean of the estimated counts", counts, (double)want.count, 0.01);
		near("mean of the estimated bytes", bytes, (double)want.bytes, 0.01);
	}
	holds("counts", counts_hold);
	holds("bytes", bytes_hold);
}

static void bytes_are_unbiased(void **state)
{
	(void)state;
	unbiased(SAMPLE_BYTES, 512 << 10, by_bytes, BY_BYTES);
}

static void counts_are_unbiased(void **state)
{
	(void)state;
	unbiased(SAMPLE_COUNT, 20, by_count, BY_COUNT);
}

/*
 * The mean may change while blocks are allocated. A thread goes on with its own until
 * its next sample, and the record names the mean that chose it: still unbiased.
 */
static void changing_means_are_unbiased(void **state)
{
	static const uint64_t means[] = { 64 << 10, 512 << 10, 4 << 20, 128 << 10 };
	const uint64_t size = 3000, blocks = 400000;
	double counts = 0;
	int hold = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS * GROUPS; seed++) {
		struct figure f = { 0 };
		uint64_t mean = means[0];

		sampler_seed(&thread, SAMPLE_BYTES, mean, spread(seed));
		for (uint64_t i = 0; (i += passing(size, blocks - i)) < blocks; i++) {
			if (sampler_passes(&thread, size))
				continue;
			estimate_add(&f, size, estimate_probability(SAMPLE_BYTES, (double)mean, size));
			mean = means[i * 16 / blocks % 4];
			sampler_redraw(&thread, SAMPLE_BYTES, mean);
		}
		counts += f.est_count / (SEEDS * GROUPS);
		hold += within(f.est_count, f.var_count, blocks);
	}
	near("mean of the estimated counts", counts, (double)blocks, 0.01);
	holds("counts", hold);
}

/* passing() is a short cut for the loop that the hooks make. */
static void one_by_one_is_the_same(void **state)
{
	const uint64_t sizes[] = { 0, 16, 100, 4096, 70000 };

	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct figure fast = { 0 }, slow = { 0 };
		uint64_t size = sizes[seed - 1];

		sampler_seed(&thread, SAMPLE_BYTES, 4096, spread(seed));
		allocate(SAMPLE_BYTES, 4096, size, 100000, &fast);
		sampler_seed(&thread, SAMPLE_BYTES, 4096, spread(seed));
		for (int i = 0; i < 100000; i++) {
			if (sampler_passes(&thread, size))
				continue;
			sampler_redraw(&thread, SAMPLE_BYTES, 4096);
			if (i % 2)
				estimate_add(&slow, size, estimate_probability(SAMPLE_BYTES, 4096, size));
		}
		assert_true(slow.count > 0 || size == 0);
		assert_int_equal(fast.count, slow.count);
	}
}

/* The recorder's weights and the report's probabilities are made by different code. */
static void weights_match_the_report(void **state)
{
	(void)state;
	for (uint64_t mean = 2; mean < 1ull << 36; mean *= 7) {
		for (uint64_t size = 0; size < 1ull << 36; size = size * 3 + 1) {
			double p = estimate_probability(SAMPLE_BYTES, (double)mean, size);

			near("weight", sampler_weight(SAMPLE_BYTES, mean, size), 1 / p, 1e-10);
		}
		near("weight", sampler_weight(SAMPLE_COUNT, mean, 8),
		     1 / estimate_probability(SAMPLE_COUNT, (double)mean, 8), 1e-10);
	}
	near("weight", sampler_weight(SAMPLE_ALL, 0, 8), 1, 0);
}

static void sampling_off_passes_nothing(void **state)
{
	(void)state;
	sampler_seed(&thread, SAMPLE_ALL, 0, 1);
	for (size_t size = 0; size < 1u << 30; size = size * 2 + 1) {
		assert_false(sampler_passes(&thread, size));
		sampler_redraw(&thread, SAMPLE_ALL, 0);
	}
}

/* Two threads that start at once must not draw the same. */
static void seeds_differ(void **state)
{
	uint64_t first;

	(void)state;
	sampler_start(&thread, SAMPLE_BYTES, 512 << 10);
	first = thread.rng;
	sampler_start(&thread, SAMPLE_BYTES, 512 << 10);
	assert_int_not_equal(first, thread.rng);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_unbiased),
		cmocka_unit_test(counts_are_unbiased),
		cmocka_unit_test(changing_means_are_unbiased),
		cmocka_unit_test(one_by_one_is_the_same),
		cmocka_unit_test(weights_match_the_report),
		cmocka_unit_test(sampling_off_passes_nothing),
		cmocka_unit_test(seeds_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

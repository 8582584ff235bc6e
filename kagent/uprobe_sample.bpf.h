// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * uprobe_sample.bpf.h - which allocations are recorded, and what each stands for (BPF
 * code, which has no floating point).
 *
 * By bytes: a Poisson process over the bytes that a thread allocates, one point per
 * `mean` bytes. A block of s bytes is hit with probability p = 1 - exp(-s / mean) and
 * then stands for 1 / p blocks (Horvitz-Thompson); the distance to the next point is
 * exponential. By count: each with probability 1 / mean.
 */
#ifndef KAGENT_UPROBE_SAMPLE_BPF_H
#define KAGENT_UPROBE_SAMPLE_BPF_H

#include "numbers.bpf.h"
#include "uprobe_maps.bpf.h"

#define LN2		2977044472ull	/* * 2^-32 */
#define SMALL_MEAN	(1u << 25)
#define CERTAIN		23	/* exp(-23) is 1e-10 */

/* -log2(u) * 2^32 for a random u in (0, 1]: digit by digit, by squaring. */
static __always_inline __u64 random_log2(void)
{
	__u64 r = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32() | 1;
	__u32 e = log2_bucket(r, 65) - 1, i;
	__u64 m = r << (63 - (e & 63)) >> 32, digits = 0;

	for (i = 0; i < 32; i++) {
		m *= m;
		digits = digits << 1 | m >> 63;
		m >>= m >> 63 ? 32 : 31;
	}
	return (64ull << 32) - ((__u64)e << 32 | digits);
}

/* Bytes to the next point. */
static __always_inline __u64 random_gap(__u64 mean)
{
	__u64 log = (random_log2() >> 8) * LN2 >> 24;

	return mean < SMALL_MEAN ? log * mean >> 32 : (log >> 16) * mean >> 16;
}

/* (1 - exp(-y)) / y for 0 <= y <= 1/2, both * 2^32. */
static __always_inline __u64 slope(__u64 y)
{
	__u64 term = 1ull << 32, sum = term;
	__u32 k;

	for (k = 2; k < 12; k++) {
		term = (term * y >> 32) / k;
		sum += k & 1 ? term : -term;
	}
	return sum;
}

/* What a block of so many bytes stands for, * 2^16. */
static __always_inline __u64 weight_of_bytes(__u64 bytes, __u64 mean)
{
	__u64 x, y, q, w;
	__u32 halvings = 0, i;

	if (bytes / mean >= CERTAIN)
		return 1 << 16;
	x = bytes >> 31 ? ((bytes >> 16) << 32) / ((mean >> 16) + !(mean >> 16)) :
			  (bytes << 32) / mean;
	if (x <= 1ull << 31) {
		w = ((mean << 16) + bytes / 2) / bytes;
		q = slope(x) >> 16;
		return w >> 47 ? w / q << 16 : (w << 16) / q;
	}
	for (y = x, i = 0; i < 6; i++) {
		if (y <= 1ull << 31)
			break;
		y >>= 1;
		halvings++;
	}
	q = slope(y) * y >> 32;
	/* 1 - exp(-2y) = q (2 - q) with q = 1 - exp(-y) */
	for (i = 0; i < 6 && i < halvings; i++)
		q = (q >> 1) * ((1ull << 33) - q) >> 31;
	return (1ull << 48) / q;
}

/* Of a block that was chosen by the mean of this number. */
static __always_inline __u64 weight_of(__u64 size, __u32 mean)
{
	__u64 m;

	if (!mean || mean >= KU_MAX_MEANS)
		return 1 << 16;
	m = state.mean[mean];
	if (!m)
		return 1 << 16;
	return state.sampling == KU_BY_COUNT ? m << 16 : weight_of_bytes(size + !size, m);
}

/* Is an allocation of this thread's to be recorded? *mean: the one that has chosen it. */
static __always_inline int chosen(const struct ku_process *p, struct ku_thread *t, __u64 size,
				  __u32 *mean)
{
	__u32 now = *(volatile __u32 *)&state.means;
	__u64 cost = size + !size;

	*mean = now;
	if (!now || now >= KU_MAX_MEANS)
		return 1;
	if (state.sampling == KU_BY_COUNT) {
		if (!state.mean[now] || bpf_get_prandom_u32() % (__u32)state.mean[now] == 0)
			return 1;
		lose(p->image, KU_LOSS_SAMPLED_OUT);
		return 0;
	}
	if (!t->mean) {
		t->countdown = random_gap(state.mean[now]);
		t->mean = now;
	}
	if (cost <= t->countdown) {
		t->countdown -= cost;
		lose(p->image, KU_LOSS_SAMPLED_OUT);
		return 0;
	}
	*mean = t->mean;
	t->countdown = random_gap(state.mean[now]);
	t->mean = now;
	return 1;
}

#endif

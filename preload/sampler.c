// SPDX-License-Identifier: MIT
/* sampler.c - see sampler.h. */
#include "sampler.h"

#include <string.h>
#include <sys/auxv.h>

#include "../common/session_format.h"
#include "clock.h"

/* xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016). */
static uint64_t next_random(struct thread_state *t)
{
	t->rng ^= t->rng >> 12;
	t->rng ^= t->rng << 25;
	t->rng ^= t->rng >> 27;
	return t->rng * 0x2545f4914f6cdd1dull;
}

/*
 * Natural logarithm and exponential to about 1e-12, without libm, which the
 * program may not have loaded: ln by 2 artanh((m-1)/(m+1)) of the mantissa, exp by
 * its series after halving the argument.
 */
static double ln(double x)
{
	uint64_t bits;
	double m, z, z2, sum = 0;
	int e;

	memcpy(&bits, &x, sizeof(bits));
	e = (int)(bits >> 52) - 1023;
	bits = (bits & ((1ull << 52) - 1)) | 1023ull << 52;
	memcpy(&m, &bits, sizeof(m));
	z = (m - 1) / (m + 1);
	z2 = z * z;
	for (int k = 25; k >= 1; k -= 2)
		sum = sum * z2 + 1.0 / k;
	return 2 * z * sum + e * 0.69314718055994530942;
}

/* 1 - exp(-x) for x > 0, without cancellation for small x. */
static double one_minus_exp(double x)
{
	double y = x, term, sum;
	int halvings = 0;

	if (x > 40)
		return 1;
	for (; y > 0.5; y /= 2)
		halvings++;
	term = sum = y;
	for (int k = 2; k < 18; k++) {
		term *= -y / k;
		sum += term;
	}
	/* 1 - e^-2y = q (2 - q) with q = 1 - e^-y */
	for (; halvings; halvings--)
		sum *= 2 - sum;
	return sum;
}

void sampler_redraw(struct thread_state *t, uint8_t kind, uint64_t mean)
{
	double gap;

	if (kind == SAMPLE_ALL)
		return;
	/* (0, 1]: never the logarithm of zero */
	gap = -ln((double)((next_random(t) >> 11) + 1) * 0x1p-53);
	if (kind == SAMPLE_COUNT)
		gap /= -ln(1.0 - 1.0 / (double)mean);
	else
		gap *= (double)mean;
	t->countdown = gap < 0x1p62 ? (uint64_t)gap : UINT64_MAX / 4;
}

void sampler_seed(struct thread_state *t, uint8_t kind, uint64_t mean, uint64_t seed)
{
	t->rng = seed | 1;
	t->cost_mask = kind == SAMPLE_BYTES ? SIZE_MAX : 0;
	t->countdown = 0;
	sampler_redraw(t, kind, mean);
}

/*
 * No system call: the C library's getrandom() is a cancellation point, and a sandbox
 * may forbid it. The kernel gives each program 16 random bytes.
 */
void sampler_start(struct thread_state *t, uint8_t kind, uint64_t mean)
{
	const void *given = (const void *)getauxval(AT_RANDOM);
	uint64_t seed = 0;

	if (given)
		memcpy(&seed, given, sizeof(seed));
	sampler_seed(t, kind, mean, seed ^ clock_cycles() * 0x9e3779b97f4a7c15ull ^ (uintptr_t)t);
}

double sampler_weight(uint8_t kind, uint64_t mean, size_t size)
{
	if (kind == SAMPLE_COUNT)
		return (double)mean;
	if (kind == SAMPLE_BYTES)
		return 1.0 / one_minus_exp((double)(size + !size) / (double)mean);
	return 1.0;
}

// SPDX-License-Identifier: MIT
/*
 * sampler.h - which allocations are recorded, and what each stands for.
 *
 * SAMPLE_BYTES: a Poisson process over the bytes allocated, one point per
 * `mean` bytes on average. A block of s bytes is hit with probability
 * p = 1 - exp(-s / mean) and then stands for 1 / p blocks (Horvitz-Thompson).
 * The distance to the next point is exponential and memoryless, so one
 * countdown per thread is exact.
 * SAMPLE_COUNT: each allocation with probability 1 / mean (geometric gaps).
 */
#ifndef PRELOAD_SAMPLER_H
#define PRELOAD_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "thread_state.h"

/* Seeds the thread's generator and draws its first gap. */
void sampler_start(struct thread_state *t, uint8_t kind, uint64_t mean);

/* The same with a given seed: tests can repeat it. */
void sampler_seed(struct thread_state *t, uint8_t kind, uint64_t mean, uint64_t seed);

/* The countdown ran out: draws the next gap. Nothing to do when everything is recorded. */
COLD void sampler_redraw(struct thread_state *t, uint8_t kind, uint64_t mean);

/* How many allocations of @size bytes one recorded one stands for. */
double sampler_weight(uint8_t kind, uint64_t mean, size_t size);

/*
 * Is this allocation one that is not recorded? With sampling off the countdown
 * stays at 0, so that none is passed over and nothing is written. A size of 0
 * counts as 1 byte, so that every block can be hit.
 */
static ALWAYS_INLINE bool sampler_passes(struct thread_state *t, size_t size)
{
	uint64_t cost = size & t->cost_mask;

	cost += !cost;
	if (cost > t->countdown)
		return false;
	t->countdown -= cost;
	return true;
}

#endif

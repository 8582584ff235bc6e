// SPDX-License-Identifier: MIT
/*
 * clock.h - time for about nothing.
 *
 * Ticks are the time stamp counter >> 10 where it is invariant (CPUID
 * 80000007H, EDX bit 8), else CLOCK_MONOTONIC_COARSE ns >> 10. The header's two
 * pairs of (tick, ns) let a reader convert; see session_clock.
 */
#ifndef PRELOAD_CLOCK_H
#define PRELOAD_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "../common/session_format.h"
#include "compiler.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#define TICK_SHIFT 10

extern bool clock_has_tsc __attribute__((visibility("hidden")));

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static ALWAYS_INLINE uint64_t clock_tick(void)
{
#if defined(__x86_64__)
	if (likely(clock_has_tsc))
		return __rdtsc() >> TICK_SHIFT;
#endif
	return clock_ns(CLOCK_MONOTONIC_COARSE) >> TICK_SHIFT;
}

/* The same, finer: ticks << TICK_SHIFT. For spans of nanoseconds. */
static inline uint64_t clock_cycles(void)
{
#if defined(__x86_64__)
	if (likely(clock_has_tsc))
		return __rdtsc();
#endif
	return clock_ns(CLOCK_MONOTONIC);
}

/* Chooses the source. Once per process. */
void clock_init(void);

/* Sets the first pair, and the second to the same: call clock_update() before it is used. */
void clock_start(struct session_clock *c);

/* Moves the second pair to now. One caller at a time. */
void clock_update(struct session_clock *c);

#endif

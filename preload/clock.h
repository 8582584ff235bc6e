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

/* clock_gettime() of the kernel's vDSO, or NULL: a system call. */
typedef int clock_vdso_fn(clockid_t id, struct timespec *ts);
extern clock_vdso_fn *clock_vdso __attribute__((visibility("hidden")));

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

/* What clock_tick() said last in some thread, and what the kernel's coarse clock said then. */
struct clock_lately {
	uint64_t coarse, tick;
};

/*
 * clock_tick(), but not before the kernel's coarse clock has moved on: at most one
 * of its ticks (1 to 10 ms) too early, at a third of the price, or less where the
 * counter is slow to read (virtual machines).
 */
static ALWAYS_INLINE uint64_t clock_tick_lately(struct clock_lately *l)
{
	struct timespec ts;
	uint64_t coarse;

	if (unlikely(!clock_vdso))
		return clock_tick();
	clock_vdso(CLOCK_MONOTONIC_COARSE, &ts);
	coarse = (uint64_t)ts.tv_sec << 30 | (uint64_t)ts.tv_nsec;
	if (unlikely(coarse != l->coarse)) {
		l->coarse = coarse;
		l->tick = clock_tick();
	}
	return l->tick;
}

/* Chooses the source. Once per process. */
void clock_init(void);

/* Sets the first pair, and the second to the same: call clock_update() before it is used. */
void clock_start(struct session_clock *c);

/* Moves the second pair to now. One caller at a time. */
void clock_update(struct session_clock *c);

#endif

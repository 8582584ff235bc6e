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

/*
 * The kernel's CLOCK_MONOTONIC_COARSE: seconds and nanoseconds, as the vDSO says, and
 * the words of memory that it takes them from. (Where those were not found, words that
 * are never the time.)
 */
struct clock_coarse {
	uint64_t sec, nsec;
};
extern const volatile struct clock_coarse *clock_coarse __attribute__((visibility("hidden")));

/* What clock_tick() said last in some thread, and what the kernel's coarse clock said before. */
struct clock_lately {
	struct clock_coarse coarse;
	uint64_t tick;
};

/*
 * l->tick becomes clock_tick(), but not before the kernel's coarse clock has moved on:
 * it is at most one of its ticks (1 to 10 ms) too early.
 */
void clock_catch_up(struct clock_lately *l);

/*
 * Would clock_catch_up() change nothing? Nearly free, while the counter is slow to read
 * in a virtual machine, and the vDSO asks questions. (False may be wrong.)
 */
static ALWAYS_INLINE bool clock_stands(const struct clock_lately *l)
{
	return likely(clock_coarse->sec == l->coarse.sec) &&
	       likely(clock_coarse->nsec == l->coarse.nsec);
}

/* Chooses the source. Once per process. */
void clock_init(void);

/*
 * Looks for clock_coarse; again in a child, which may be in another time namespace.
 * The kernel's data lie before the vDSO, arranged differently in each version, but
 * with this pair of words in all (lib/vdso/gettimeofday.c, do_coarse()).
 */
void clock_find_coarse(void);

/* Sets the first pair, and the second to the same: call clock_update() before it is used. */
void clock_start(struct session_clock *c);

/* Ticks, about a millisecond: a second pair that is older than this is not of now. */
#define CLOCK_STALE 4096u

/* Moves the second pair to now. One caller at a time. */
void clock_update(struct session_clock *c);

#endif

// SPDX-License-Identifier: MIT
/*
 * overhead.h - what recording itself costs, for the report.
 *
 * One in OVERHEAD_STEP recorded events of a thread is timed and stands for the
 * others (an odd step: allocations and frees often alternate): an estimate of the CPU time spent inside the recorder, without the few
 * nanoseconds of a call that is not recorded. Memory is counted when asked.
 */
#ifndef PRELOAD_OVERHEAD_H
#define PRELOAD_OVERHEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "compiler.h"
#include "thread_state.h"

#define OVERHEAD_STEP 255u

/* An event that was timed is over, which began at @begin. */
COLD void overhead_timed(uint64_t begin);

/* Bytes of private memory that the recorder's tables occupy now. Makes system calls. */
uint64_t overhead_private_bytes(void);

/* A new recording. */
void overhead_reset(void);

/* A recorded event begins: is it one that is timed? (Then the count is to be set again.) */
static ALWAYS_INLINE bool overhead_is_timed(struct thread_state *t)
{
	return unlikely(!--t->until_timed);
}

static inline uint64_t overhead_begin(struct thread_state *t)
{
	t->until_timed = OVERHEAD_STEP;
	return clock_cycles();
}

#endif

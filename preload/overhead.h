// SPDX-License-Identifier: MIT
/*
 * overhead.h - what recording itself costs, for the report.
 *
 * One in OVERHEAD_STEP recorded events of a thread is timed and stands for the
 * others: an estimate of the CPU time spent inside the recorder, without the few
 * nanoseconds of a call that is not recorded. Memory is counted when asked.
 */
#ifndef PRELOAD_OVERHEAD_H
#define PRELOAD_OVERHEAD_H

#include <stdint.h>

#include "clock.h"
#include "compiler.h"
#include "thread_state.h"

#define OVERHEAD_STEP 256u

/* An event that was timed is over. @begin: of overhead_begin(), not 0. */
COLD void overhead_timed(uint64_t begin);

/* Bytes of private memory that the recorder's tables occupy now. Makes system calls. */
uint64_t overhead_private_bytes(void);

/* A new recording. */
void overhead_reset(void);

/* An event begins: the time if this one is timed, else 0. */
static ALWAYS_INLINE uint64_t overhead_begin(struct thread_state *t)
{
	return unlikely(++t->events % OVERHEAD_STEP == 0) ? clock_cycles() : 0;
}

static ALWAYS_INLINE void overhead_end(uint64_t begin)
{
	if (unlikely(begin))
		overhead_timed(begin);
}

#endif

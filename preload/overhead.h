// SPDX-License-Identifier: MIT
/*
 * overhead.h - what recording itself costs, for the report.
 *
 * One in so many recorded events of a thread is timed and stands for those since the one
 * before it: an estimate of the CPU time spent inside the recorder, without the few
 * nanoseconds of a call that is not recorded. Memory is counted when asked.
 *
 * To time an event costs several times what a plain one does (record_plain.h). So of those
 * fewer are timed, once there is a first figure.
 */
#ifndef PRELOAD_OVERHEAD_H
#define PRELOAD_OVERHEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "compiler.h"
#include "thread_state.h"

/* Odd: allocations and frees often alternate. */
#define OVERHEAD_STEP		255u
#define OVERHEAD_STEP_PLAIN	1023u

/* The event of @t that was timed is over, which began at @begin. */
COLD void overhead_timed(struct thread_state *t, uint64_t begin);

/* @t has a new recording. */
static inline void overhead_start(struct thread_state *t)
{
	t->until_timed = t->timed_for = OVERHEAD_STEP;
}

/* Bytes of private memory that the recorder's tables occupy now. Makes system calls. */
uint64_t overhead_private_bytes(void);

/* A new recording. */
void overhead_reset(void);

/* A recorded event begins: is it one that is timed? */
static ALWAYS_INLINE bool overhead_is_timed(struct thread_state *t)
{
	return unlikely(!--t->until_timed);
}

#endif

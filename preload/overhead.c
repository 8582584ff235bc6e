// SPDX-License-Identifier: MIT
/* overhead.c - see overhead.h. */
#include "overhead.h"

#include "live_table.h"
#include "recorder.h"
#include "sampling.h"
#include "stack_table.h"

/*
 * About 10 us, more than an event takes but for rare growth. What seems to take
 * longer was put aside by the scheduler, and would count many times.
 */
#define LONGEST (1u << 15)

/* Cycles (clock_cycles) of all threads; and what a timing costs in itself. */
static uint64_t spent, timing;

static uint64_t measure_timing(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 16; i++) {
		uint64_t begin = clock_cycles(), took = clock_cycles() - begin;

		if (took < least)
			least = took;
	}
	return least;
}

void overhead_reset(void)
{
	spent = 0;
	timing = measure_timing();
}

void overhead_timed(struct thread_state *t, uint64_t begin)
{
	struct session_clock *c = &recorder.hdr->clock;
	uint64_t took = clock_cycles() - begin, total;

	recorder_check_reader();
	took = took > timing ? took - timing : 0;
	if (took > LONGEST)
		took = LONGEST;
	total = __atomic_add_fetch(&spent, took * t->timed_for, __ATOMIC_RELAXED);
	t->until_timed = t->timed_for = recorder.plain ? OVERHEAD_STEP_PLAIN : OVERHEAD_STEP;
	if (!lock_try(&recorder.grow))
		return;
	clock_update(c);
	lock_release(&recorder.grow);
	if (c->tick1 > c->tick0)
		recorder.hdr->self_ns = (uint64_t)((double)(total >> TICK_SHIFT) *
						   (double)(c->ns1 - c->ns0) /
						   (double)(c->tick1 - c->tick0));
	sampling_control(recorder.hdr->self_ns);
}

uint64_t overhead_private_bytes(void)
{
	return live_resident_bytes() + threads_resident_bytes() + stack_table_bytes();
}

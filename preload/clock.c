// SPDX-License-Identifier: MIT
/* clock.c - see clock.h. */
#include "clock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

bool clock_has_tsc;

void clock_init(void)
{
#if defined(__x86_64__)
	unsigned int a, b, c, d;

	clock_has_tsc = __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
#endif
}

static uint64_t pair(uint64_t *ns)
{
	uint64_t before = clock_tick();

	*ns = clock_ns(CLOCK_MONOTONIC);
	return before + (clock_tick() - before) / 2;
}

void clock_start(struct session_clock *c)
{
	c->tick0 = pair(&c->ns0);
	c->realtime_ns0 = clock_ns(CLOCK_REALTIME);
	c->tick1 = c->tick0;
	c->ns1 = c->ns0;
}

void clock_update(struct session_clock *c)
{
	uint64_t ns, tick = pair(&ns);

	__atomic_store_n(&c->seq, c->seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	c->tick1 = tick;
	c->ns1 = ns;
	__atomic_store_n(&c->seq, c->seq + 1, __ATOMIC_RELEASE);
}

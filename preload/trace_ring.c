// SPDX-License-Identifier: MIT
/* trace_ring.c - see trace_ring.h. */
#include "trace_ring.h"

#include <errno.h>

#include "clock.h"
#include "recorder.h"
#include "sys.h"

#define RING_SLOTS (1u << 15)

static struct session_trace_event *ring;
static THREAD_LOCAL uint32_t own_tid, own_pid;

int trace_ring_init(void)
{
	struct session_section *sec = &recorder.hdr->section[SECT_TRACE];

	ring = NULL;
	if (shm_grow(&recorder.shm, SECT_TRACE, RING_SLOTS * sizeof(*ring)))
		return -ENOSPC;
	ring = (void *)recorder.shm.sect[SECT_TRACE].base;
	recorder.hdr->features |= SESSION_F_TRACE;
	__atomic_store_n(&sec->used, RING_SLOTS, __ATOMIC_RELEASE);
	return 0;
}

static uint32_t tid(void)
{
	if (own_pid != recorder.hdr->pid) {
		own_tid = (uint32_t)syscall(SYS_gettid);
		own_pid = recorder.hdr->pid;
	}
	return own_tid;
}

void trace_ring_add(enum session_trace_op op, uintptr_t addr, uint64_t size, uintptr_t old_addr)
{
	struct session_trace_event *e;
	uint64_t n;

	if (!ring)
		return;
	n = __atomic_fetch_add(&recorder.hdr->trace_head, 1, __ATOMIC_RELAXED);
	e = &ring[n % RING_SLOTS];
	__atomic_store_n(&e->seq, 0, __ATOMIC_RELEASE);
	e->tick = clock_tick() - recorder.tick0;
	e->addr = addr;
	e->size = size;
	e->old_addr = old_addr;
	e->tid = tid();
	e->op = op;
	__atomic_store_n(&e->seq, n + 1, __ATOMIC_RELEASE);
}

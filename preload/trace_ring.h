// SPDX-License-Identifier: MIT
/*
 * trace_ring.h - the lossy ring of events behind memleak -t (SECT_TRACE).
 *
 * A writer never waits: it takes the next number and overwrites that slot. The
 * reader sees from the numbers what it missed.
 */
#ifndef PRELOAD_TRACE_RING_H
#define PRELOAD_TRACE_RING_H

#include <stdint.h>

#include "../common/session_format.h"

/* 0 or -ENOSPC. When recording starts, if tracing is on. */
int trace_ring_init(void);

void trace_ring_add(enum session_trace_op op, uintptr_t addr, uint64_t size, uintptr_t old_addr);

#endif

// SPDX-License-Identifier: MIT
/*
 * heap_overhead.h - what the probes cost the processes, and larger sampling means as long
 * as that is too much. One thread at a time.
 *
 * The time of the BPF programs is the kernel's own account of it (BPF_ENABLE_STATS, Linux
 * 5.8); that of the trap by which they are reached is measured at the start, on a function
 * of our own. A mean can't make the traps fewer: where they cost more than is wanted,
 * it is raised until that no longer makes a call much cheaper, and that is said.
 */
#ifndef KAGENT_HEAP_OVERHEAD_H
#define KAGENT_HEAP_OVERHEAD_H

#include "kagent/heap_tracer.h"

#include <stdint.h>

struct heap_overhead;

/* percent: of what the processes alone use. 0 or -errno. */
int heap_overhead_open(struct heap_tracer *t, unsigned int percent, const char *command,
		       struct heap_overhead **out);
void heap_overhead_free(struct heap_overhead *o);	/* NULL is allowed */

/* The processes have used so much CPU time by now (ns). Looks at most ten times a second. */
void heap_overhead_control(struct heap_overhead *o, uint64_t cpu_ns);

#endif

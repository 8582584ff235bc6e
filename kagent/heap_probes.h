// SPDX-License-Identifier: MIT
/*
 * heap_probes.h - puts the programs of uprobe.bpf.c on an allocator's functions. One
 * thread at a time.
 *
 * Three ways: events of tracefs, which children inherit (trace_events.h); all functions
 * of a file by one link that sees call and return (6.13); or each one by a uprobe and a
 * uretprobe.
 */
#ifndef KAGENT_HEAP_PROBES_H
#define KAGENT_HEAP_PROBES_H

#include "kagent/allocator.h"
#include "kagent/trace_events.h"
#include "kagent/uprobe_events.h"
#include "kagent/uprobe_link.h"

#include <stddef.h>
#include <sys/types.h>

struct heap_probes;
struct uprobe;

enum heap_probes_way {
	PROBES_INHERITED,
	PROBES_SESSION,
	PROBES_SINGLE,
};

struct heap_probes_facts {
	enum heap_probes_way way;
	struct uprobe *skel;		/* loaded; outlives the probes */
	struct uprobe_link_types types;	/* for PROBES_SESSION */
	struct trace_events *events;	/* for PROBES_INHERITED; stays the caller's */
};

int heap_probes_new(const struct heap_probes_facts *facts, struct heap_probes **out);

/*
 * Probes the functions of a file in these processes, and, PROBES_INHERITED, in all
 * children that they have from now on. Those that have gone are passed over, unless all
 * have. The other ways know one process. 0 or -errno.
 */
int heap_probes_attach(struct heap_probes *p, const struct allocator *a, const pid_t *pids,
		       size_t count);

/* How many functions are probed. */
size_t heap_probes_count(const struct heap_probes *p);

/* Removes them all. NULL is allowed. */
void heap_probes_free(struct heap_probes *p);

#endif

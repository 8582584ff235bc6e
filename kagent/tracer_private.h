// SPDX-License-Identifier: MIT
/* tracer_private.h - what tracer.c and tracer_maps.c share. */
#ifndef KAGENT_TRACER_PRIVATE_H
#define KAGENT_TRACER_PRIVATE_H

#include "kagent/features.h"
#include "kagent/tracer.h"

#include "slab.skel.h"

struct tracer {
	struct slab *skel;
	struct features features;
	struct verdicts *verdicts;
	struct ring_buffer *ring;
	tracer_event_fn *event_fn;
	void *event_arg;
	int cpus;
	uint64_t sites_seen;	/* of the BPF side's new_sites */
	bool bulk_seen;		/* fentry on the bulk paths is attached */
};

#endif

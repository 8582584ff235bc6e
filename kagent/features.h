// SPDX-License-Identifier: MIT
/*
 * features.h - what the running kernel offers, read from its BTF.
 *
 * How tracepoint arguments changed is told in slab.bpf.c. Here they are not guessed
 * from a version but looked up: the typedef btf_trace_NAME of each tracepoint names
 * the types of its arguments.
 */
#ifndef KAGENT_FEATURES_H
#define KAGENT_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

struct features {
	bool kmalloc, kmalloc_node, cache_alloc, cache_alloc_node, kfree, cache_free;
	bool page_alloc, page_free, percpu_alloc, percpu_free;
	bool percpu_has_call_site;
	bool alloc_has_cache, free_has_cache;
	bool kfunc;			/* bpf_get_kmem_cache, 6.13 */
	bool bulk_free, bulk_alloc, bulk_alloc_noprof;	/* functions that fentry could see */
	bool slab_layout;		/* struct slab with freelist and counters, 5.17 */
};

/* 0, or -errno when the kernel's BTF can't be read. */
int features_detect(struct features *f);

/*
 * What keeps this process from tracing, as a sentence that says what to do, or
 * an empty string when nothing is known to.
 */
void features_why_not(char *why, size_t size);

#endif

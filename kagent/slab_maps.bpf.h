// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * slab_maps.bpf.h - the settings and maps of slab.bpf.c, and what its parts
 * pass each other (BPF code).
 */
#ifndef KAGENT_SLAB_MAPS_BPF_H
#define KAGENT_SLAB_MAPS_BPF_H

const volatile struct ka_config cfg = {};

/* Sizes are set by the loader. All preallocated: nothing allocates in an event. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct ka_object);
} live SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct ka_site);
} sites SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct ka_ustack);
} ustacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KA_MAX_CACHES);
	__type(key, __u64);
	__type(value, struct ka_cache);
} caches SEC(".maps");

/* What user space has decided about caches by their names, before they are met. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KA_MAX_CACHES);
	__type(key, struct ka_name);
	__type(value, __u32);		/* enum ka_cache_state */
} decided SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KA_MAX_CACHES);
	__type(key, __u32);
	__type(value, struct ka_cache_count);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct ka_proc_key);
	__type(value, struct ka_proc);
} procs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KA_LOSS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} losses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} cgroups SEC(".maps");

/* Processes that are followed: those that were asked for, and their children. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);		/* tgid */
	__type(value, __u8);
} family SEC(".maps");

/* Room to build a stack: a program may be interrupted by another one, not by itself. */
struct scratch {
	__u64 raw[KA_MAX_DEPTH + 1 + KA_TRIM];
	struct ka_site site;
	struct ka_ustack ustack;
};

enum scratch_owner { OF_KMALLOC, OF_CACHE, OF_PAGES, OF_PERCPU, OF_BULK, OF_KMALLOC_NODE,
		     OF_CACHE_NODE, SCRATCHES };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

__u32 cache_count;

/*
 * Caches that nobody wants, each where its address leads: a filtered capture asks here
 * first, because nearly all events are of these, and a look-up in a map costs more than
 * the rest of the program.
 */
#define UNWANTED_PLACES 256
__u64 unwanted[UNWANTED_PLACES];

/*
 * Set by user space, 0: unknown. What is freed to it is a cache that was destroyed:
 * the next one is often made at its address.
 */
__u64 cache_of_caches;

/* The last large kmalloc on a CPU; see second_event(). */
struct last_large {
	__u64 ptr, time;
	__u32 tid;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct last_large);
} last_large SEC(".maps");

struct alloc_event {
	void *ctx;
	__u32 owner;		/* enum scratch_owner */
	__u32 kind;
	__u64 call_site, ptr, cache;
	__u64 req, size;
	__u32 gfp;
	__u32 second;		/* of two events of one allocation */
};

/* The keys of the sites that came last, so that user space need not look at all of them. */
__u64 new_site[KA_NEW_SITES];
__u64 new_sites;	/* ever */

static __always_inline void lose(__u32 cause, __u64 n)
{
	__u64 *loss = bpf_map_lookup_elem(&losses, &cause);

	if (loss)
		*loss += n;
}

#endif

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * slab_events.h - what slab.bpf.c and its loader share: the layout of the maps
 * and the settings that are fixed before the programs are loaded.
 *
 * Included by BPF code and by user-space code; uses only fixed-size types.
 */
#ifndef KAGENT_SLAB_EVENTS_H
#define KAGENT_SLAB_EVENTS_H

#include "site_totals.h"

#include <linux/types.h>

#define KA_MAX_DEPTH	127	/* frames: kernel.perf_event_max_stack's default */
#define KA_TRIM		12	/* frames inside of the allocation's caller, at most */
#define KA_MAX_CACHES	4096
#define KA_NEW_SITES	4096	/* a power of two */
#define KA_NAME_LEN	64
#define KA_COMM_LEN	16

enum ka_kind { KA_SLAB = 0, KA_LARGE = 1, KA_PAGES = 2, KA_PERCPU = 3, KA_KINDS = 4 };

/* Pseudo caches: keys of the caches map that are no kernel address. */
#define KA_CACHE_LARGE	1ull
#define KA_CACHE_PAGES	2ull
#define KA_CACHE_PERCPU	3ull
#define KA_CACHE_UNKNOWN 4ull
#define KA_CACHE_LAST	4ull

enum ka_cache_state {
	KA_CACHE_NEW = 0,	/* not looked at by user space yet: recorded for the time being */
	KA_CACHE_WANTED = 1,
	KA_CACHE_UNWANTED = 2,
};

struct ka_name {
	char text[KA_NAME_LEN];	/* padded with NULs */
};

/* A slab cache that was met; key: address of its struct kmem_cache. */
struct ka_cache {
	__u32 state;		/* enum ka_cache_state */
	__u32 index;		/* of its counters */
	__u32 object_size;
	__u32 slab_size;
	struct ka_name name;
};

/*
 * Counters of a cache, one per CPU; index: struct ka_cache.index. Where live objects
 * are tracked, only the frees of objects that were allocated before count here.
 */
struct ka_cache_count {
	__u64 allocs, alloc_bytes;
	__u64 frees, free_bytes;
};

/* A live object; key: its address. */
struct ka_object {
	__u64 time;		/* CLOCK_MONOTONIC, ns */
	__u64 site;		/* key of the sites map, 0: none */
	__u64 ustack;		/* key of the ustacks map, 0: none */
	__u64 cache;		/* key of the caches map */
	__u64 cgroup;
	__u64 task_start;	/* of the process, CLOCK_BOOTTIME, ns */
	char comm[KA_COMM_LEN];
	__u32 tgid, tid;
	__u32 size;		/* bytes handed out (saturated) */
	__u32 req_size;		/* bytes asked for, 0: unknown */
	__u32 gfp;
	__u32 kind;		/* enum ka_kind */
};

/*
 * A site: cache and kernel stack; key: hash of both. The frames begin with the
 * caller of the allocation function, innermost first.
 */
struct ka_site {
	__u64 cache;
	__u64 first_time;
	struct site_totals totals;
	__u32 depth;
	__u32 flags;		/* KA_SITE_* */
	__u64 ip[KA_MAX_DEPTH];
};
#define KA_SITE_CUT	1u	/* the stack was deeper than asked for */
#define KA_SITE_NO_STACK 2u	/* the kernel gave no stack */

struct ka_ustack {
	__u32 depth;
	__u32 tgid;		/* the process that had it first */
	__u64 ip[KA_MAX_DEPTH];
};

/* Allocations by process (kagent procs). */
struct ka_proc_key {
	__u32 tgid;
	char comm[KA_COMM_LEN];
};
struct ka_proc {
	__u64 allocs, bytes;
};

enum ka_loss {
	KA_LOSS_OBJECTS,	/* map of live objects full */
	KA_LOSS_SITES,		/* map of sites full */
	KA_LOSS_STACK,		/* no stack to be had */
	KA_LOSS_CUT,		/* stack deeper than asked for */
	KA_LOSS_MISSED_FREE,	/* address allocated again while recorded as live */
	KA_LOSS_UNMATCHED,	/* free of an object that isn't recorded */
	KA_LOSS_RING,		/* trace event dropped */
	KA_LOSS_USTACK,		/* map of user stacks full */
	KA_LOSS_CACHES,		/* map of caches full */
	KA_LOSS_MAX
};

enum ka_event_op { KA_EV_ALLOC = 1, KA_EV_FREE = 2 };

/* A live trace event (kagent --trace). */
struct ka_event {
	__u64 time, addr, cache, call_site;
	__u32 op, tgid, tid, size;
	char comm[KA_COMM_LEN];
};

/* An object to be dropped from the map of live ones: freed unseen. */
#define KA_FORGET_MAX	1024
struct ka_forget {
	__u64 addr, time;
};

/* page of an address: map0 + address / page size * size of struct page, modulo 2^64 */
struct ka_pages {
	__u64 map0;		/* 0: unknown */
	__u32 shift;		/* log2 of the page size */
	__u32 reserved;
};

/* A cache in the kernel's list of them, with the free objects that CPUs hold. */
struct ka_idle {
	__u64 cache;
	__u64 objects;		/* free, though slabinfo counts them as active */
	struct ka_name name;
};

/* Settings; constant once loaded. */
struct ka_config {
	__u8 track;		/* keep live objects (0: count only) */
	__u8 stacks;		/* take kernel stacks */
	__u8 user_stacks;
	__u8 trace;		/* send events to the ring */
	__u8 procs;		/* count allocations by process */
	__u8 count;		/* count events per cache */
	__u8 use_kfunc;		/* bpf_get_kmem_cache exists */
	__u8 alloc_has_cache;	/* kmem_cache_alloc carries the cache (6.1) */
	__u8 free_has_cache;	/* kmem_cache_free carries the cache (6.1) */
	__u8 by_cgroup;		/* only tasks below the cgroup in the cgroups map */
	__u8 by_comm;
	__u8 by_family;		/* only processes in the family map */
	__u8 filtered;		/* only some caches are wanted */
	__u8 some_tasks;	/* one of the task filters, or of sizes, is set */
	__u32 depth;
	__u32 tgid;		/* only this process, 0: all */
	__u32 sample;		/* 2^32 / N, 0: all */
	__u64 min_size, max_size;	/* bytes, max 0: no limit */
	char comm[KA_COMM_LEN];
	struct ka_pages pages;
};

/* ---- verdicts: verdict.bpf.c ------------------------------------------------- */

#define KA_CHECKS_MAX	4096
#define KA_SHEAF_MAX	8192

/* enum session_verdict's values */
enum ka_verdict { KA_YOUNG, KA_LIVE, KA_FREED, KA_GONE, KA_UNVERIFIED };

struct ka_check {
	__u64 addr, cache;	/* in */
	__u32 kind;		/* in: enum ka_kind */
	__u32 verdict;		/* out: enum ka_verdict */
};

/* What the programs of verdict.bpf.c are called with. */
struct ka_verify {
	__u32 checks;		/* entries of check[] */
	__u32 cpus, nodes;	/* possible ones */
	__u32 reserved;
	__u64 cache;		/* list_sheaves */
	__u64 vmemmap_symbol, page_offset_symbol; /* find_anchor: their addresses or 0 */
};

#endif

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * idle.bpf.c - lists the kernel's slab caches with the free objects that CPUs keep
 * to themselves: on their own slab, their partial slabs, and in sheaves (6.18).
 *
 * slabinfo counts those as active (mm/slub.c, get_slabinfo()), hundreds of them,
 * so that a growth of some dozens of objects would not show.
 *
 * All caches form a ring through kmem_cache.list, with the list's head among them,
 * so one cache leads to all. Read without locks: figures are close, not exact.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "kernel_types.h"
#include "slab_events.h"
#include "slab_page.bpf.h"
#include "slab_percpu.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define WALK_MAX	4096	/* objects of a freelist, slabs of a list */

struct ka_pages pages;	/* set by user space */
struct ka_idle idle[KA_MAX_CACHES];
__u32 idle_count;

struct walk {
	__u64 first, entry;	/* the ring */
	__u64 cache, at;	/* the cache at hand, and what is walked of it */
	__u64 cookie, random;
	__u32 offset, cpus;
	__u64 objects;
};
/* "used": clang would take it apart, and its BTF with it. */
static struct walk w __attribute__((used));

static long count_object(__u32 i, void *unused)
{
	if (w.at < 4096)	/* the end, or unreadable */
		return 1;
	w.objects++;
	w.at = next_free(w.at + w.offset, w.random);
	return 0;
}

static __always_inline void count_slab(__u64 slab)
{
	struct slab *s = (void *)slab;
	__u64 counters = BPF_CORE_READ(s, counters);
	__u32 all = counted_objects(counters), used = counted_inuse(counters);

	if (all > used)
		w.objects += all - used;
}

static long count_partial(__u32 i, void *unused)
{
	struct slab *s = (void *)w.at;

	if (!s)
		return 1;
	count_slab((__u64)s);
	w.at = (__u64)BPF_CORE_READ(s, next);
	return 0;
}

static __always_inline void count_sheaf(__u64 sheaf)
{
	struct slab_sheaf *s = (void *)sheaf;

	if (s)
		w.objects += BPF_CORE_READ(s, size);
}

static long count_cpu(__u32 cpu, void *unused)
{
	struct kmem_cache *s = (void *)w.cache;
	struct kmem_cache_cpu *c;
	struct slub_percpu_sheaves *p;

	c = (void *)on_cpu(w.cookie, (__u64)BPF_CORE_READ(s, cpu_slab), cpu);
	if (!c)
		return 1;
	if (BPF_CORE_READ(c, slab)) {
		count_slab((__u64)BPF_CORE_READ(c, slab));
		w.at = (__u64)BPF_CORE_READ(c, freelist);
		bpf_loop(WALK_MAX, count_object, NULL, 0);
	}
	if (bpf_core_field_exists(c->partial)) {
		w.at = (__u64)BPF_CORE_READ(c, partial);
		bpf_loop(WALK_MAX, count_partial, NULL, 0);
	}
	if (!bpf_core_field_exists(s->cpu_sheaves) || !BPF_CORE_READ(s, cpu_sheaves))
		return 0;
	p = (void *)on_cpu(w.cookie, (__u64)BPF_CORE_READ(s, cpu_sheaves), cpu);
	count_sheaf((__u64)BPF_CORE_READ(p, main));
	count_sheaf((__u64)BPF_CORE_READ(p, spare));
	return 0;
}

/* The head of the ring is a variable of the kernel; caches lie in the direct map, in slabs. */
static __always_inline int is_cache(__u64 s)
{
	struct kmem_cache *k = (void *)s;
	__u32 size = BPF_CORE_READ(k, size);

	return slab_cache_of(head_page(page_of(&pages, s))) != 0 && size != 0;
}

static long take_cache(__u32 i, void *unused)
{
	struct kmem_cache *s = (void *)(w.entry - bpf_core_field_offset(struct kmem_cache, list));
	struct list_head *entry = (void *)w.entry;
	__u32 n = *(volatile __u32 *)&idle_count;
	const char *name;

	if (i && w.entry == w.first)
		return 1;
	w.entry = (__u64)BPF_CORE_READ(entry, next);
	if (n >= KA_MAX_CACHES || !w.entry)
		return 1;
	if (!is_cache((__u64)s))
		return 0;
	w.cache = (__u64)s;
	w.offset = BPF_CORE_READ(s, offset);
	if (bpf_core_field_exists(s->random))
		w.random = BPF_CORE_READ(s, random);
	w.objects = 0;
	bpf_loop(w.cpus, count_cpu, NULL, 0);
	name = BPF_CORE_READ(s, name);
	idle[n].cache = (__u64)s;
	idle[n].objects = w.objects;
	bpf_probe_read_kernel_str(&idle[n].name, sizeof(idle[n].name), name);
	idle_count = n + 1;
	return 0;
}

/* Starts at the cache that the current task came from. */
SEC("syscall")
int list_idle(struct ka_verify *v)
{
	__u64 cache = slab_cache_of(head_page(page_of(&pages, (__u64)bpf_get_current_task())));

	idle_count = 0;
	if (!cache || !bpf_core_field_exists(struct kmem_cache, cpu_slab))
		return 0;
	w.cookie = percpu_cookie();
	w.cpus = v->cpus;
	w.first = w.entry = cache + bpf_core_field_offset(struct kmem_cache, list);
	bpf_loop(KA_MAX_CACHES, take_cache, NULL, 0);
	return 0;
}

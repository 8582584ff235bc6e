// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * slab_percpu.bpf.h - SLUB's per-CPU data and its encoded pointers, for programs
 * that read slabs (BPF code).
 */
#ifndef KAGENT_SLAB_PERCPU_BPF_H
#define KAGENT_SLAB_PERCPU_BPF_H

#define MAP_HEAD	1024	/* bytes of struct bpf_array that may lie before pptrs */

/*
 * A per-CPU array of our own: its elements' addresses are known both as per-CPU
 * pointer and as plain one, and the difference is the CPU's per-CPU offset. No
 * symbol has to be looked up, so it works where kallsyms names no data.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} probe SEC(".maps");

static char map_head[MAP_HEAD];

static __always_inline __u64 percpu_cookie(void)
{
	__u32 off = bpf_core_field_offset(struct bpf_array, pptrs);

	if (off > MAP_HEAD - sizeof(__u64))
		return 0;
	if (bpf_probe_read_kernel(map_head, MAP_HEAD, &probe))
		return 0;
	return *(volatile __u64 *)(map_head + off);
}

static volatile __u64 plain;	/* a pointer stored here comes back as a number */

/* The address of a per-CPU variable on a CPU, 0: unknown. */
static __always_inline __u64 on_cpu(__u64 cookie, __u64 ptr, __u32 cpu)
{
	__u32 zero = 0;

	plain = (__u64)bpf_map_lookup_percpu_elem(&probe, &zero, cpu);
	return plain && cookie ? ptr + (plain - cookie) : 0;
}

/*
 * The next object of a freelist, from the place of the pointer in this one; 1, which
 * is no object, when it can't be read. Hardened pointers since 4.14; since 5.7 the
 * address is byte-swapped (commit 1ad53d9fa3f6).
 */
static __always_inline __u64 next_free(__u64 where, __u64 random)
{
	__u64 v = 0;

	if (bpf_probe_read_kernel(&v, sizeof(v), (void *)where))
		return 1;
	return bpf_core_field_exists(struct kmem_cache, random)
	       ? v ^ random ^ __builtin_bswap64(where) : v;
}

/* struct slab.counters: inuse:16, objects:15, frozen:1 (little-endian). */
static __always_inline __u32 counted_objects(__u64 counters)
{
	return counters >> 16 & 0x7fff;
}

static __always_inline __u32 counted_inuse(__u64 counters)
{
	return counters & 0xffff;
}

static __always_inline int is_frozen(__u64 counters)
{
	return counters >> 31 & 1;
}

#endif

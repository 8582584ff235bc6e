// SPDX-License-Identifier: GPL-2.0 OR MIT
/* uprobe_maps.bpf.h - what uprobe.bpf.c keeps (BPF code). Sizes are set by the loader. */
#ifndef KAGENT_UPROBE_MAPS_BPF_H
#define KAGENT_UPROBE_MAPS_BPF_H

#include "uprobe_events.h"

const volatile struct ku_config cfg = {};
struct ku_state state = {};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct ku_place);
	__type(value, struct ku_block);
} live SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct ku_place);
	__type(value, struct ku_heirloom);
} heirlooms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct ku_site);
} sites SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct ku_thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct ku_name);
} names SEC(".maps");

/* A new entry of sites and threads, too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ku_thread);
} empty SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KU_MAX_PROCESSES);
	__type(key, __u32);
	__type(value, struct ku_process);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KU_MAX_PROCESSES);
	__type(key, __u32);
	__type(value, struct ku_ended);
} ended SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct ku_program);
	__type(value, __u32);
} programs SEC(".maps");

/* Which function begins at an address, by the bits of it that are the same wherever it is mapped. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KU_PLACES);
	__type(key, __u32);
	__type(value, __u32);
} functions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);		/* KU_LOSS_KEY() */
	__type(value, __u64);
} losses SEC(".maps");

/* Trace events; and a word whenever there is something new about the processes. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} bell SEC(".maps");

/* struct ku_region: the address space in the order of its changes. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} regions SEC(".maps");

/* Code and how it is unwound. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * KU_MAX_PROCESSES);
	__type(key, __u32);
	__type(value, __u64);		/* KU_LAYOUT() */
} layouts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, KU_MAX_OBJECTS);
	__type(key, __u32);
	__type(value, struct ku_object);
} objects SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ku_row);
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << KU_CACHE_BITS);
	__type(key, __u32);
	__type(value, struct ku_known_row);
} known_rows SEC(".maps");

static __always_inline void lose(__u32 image, __u32 cause)
{
	__u32 key = KU_LOSS_KEY(image, cause);
	__u64 *loss = bpf_map_lookup_elem(&losses, &key), none = 0;

	if (!loss) {
		bpf_map_update_elem(&losses, &key, &none, BPF_NOEXIST);
		loss = bpf_map_lookup_elem(&losses, &key);
	}
	if (loss)
		__sync_fetch_and_add(loss, 1);
}

#endif

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * slab.bpf.c - follows the kernel's allocations: raw tracepoint programs that
 * keep the live objects and the totals of their sites (cache + kernel stack).
 *
 * Raw tracepoints exist on every kernel and need no kprobes; their arguments
 * are read by position, which the loader has checked against the kernel's BTF.
 * Order of work in every program: what is cheapest to refuse first (size,
 * sample, cache, process); the stack, which dominates the cost, last.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "kernel_types.h"
#include "slab_events.h"
#include "slab_objects.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* ---- the events ----------------------------------------------------------- */

/*
 * kmalloc and kmalloc_node: (call_site, ptr, bytes_req, bytes_alloc, gfp, ...) on all
 * kernels. The _node events are gone since 6.1 (commit 11e9734bcb6a, "mm/slab_common:
 * unify NUMA and UMA version of tracepoints").
 */
static __always_inline int kmalloc_event(struct bpf_raw_tracepoint_args *ctx, __u32 owner)
{
	struct alloc_event e = {
		.ctx = ctx, .owner = owner, .kind = KA_SLAB, .call_site = ctx->args[0],
		.ptr = ctx->args[1], .req = ctx->args[2], .size = ctx->args[3],
		.gfp = ctx->args[4],
	};

	return on_alloc(&e);
}

SEC("raw_tp/kmalloc")
int on_kmalloc(struct bpf_raw_tracepoint_args *ctx)
{
	return kmalloc_event(ctx, OF_KMALLOC);
}

SEC("raw_tp/kmalloc_node")
int on_kmalloc_node(struct bpf_raw_tracepoint_args *ctx)
{
	return kmalloc_event(ctx, OF_KMALLOC_NODE);
}

/*
 * kmem_cache_alloc, _node: (call_site, ptr, cache, gfp, node) since 6.1 (commit
 * 2c1d697fb8ba, "mm/slab_common: drop kmem_alloc & avoid dereferencing fields"),
 * (call_site, ptr, bytes_req, bytes_alloc, gfp, …) before.
 */
static __always_inline int cache_event(struct bpf_raw_tracepoint_args *ctx, __u32 owner)
{
	struct alloc_event e = {
		.ctx = ctx, .owner = owner, .kind = KA_SLAB, .call_site = ctx->args[0],
		.ptr = ctx->args[1],
	};

	if (cfg.alloc_has_cache) {
		e.cache = ctx->args[2];
		e.gfp = ctx->args[3];
	} else {
		e.req = ctx->args[2];
		e.size = ctx->args[3];
		e.gfp = ctx->args[4];
	}
	return on_alloc(&e);
}

SEC("raw_tp/kmem_cache_alloc")
int on_cache_alloc(struct bpf_raw_tracepoint_args *ctx)
{
	return cache_event(ctx, OF_CACHE);
}

SEC("raw_tp/kmem_cache_alloc_node")
int on_cache_alloc_node(struct bpf_raw_tracepoint_args *ctx)
{
	return cache_event(ctx, OF_CACHE_NODE);
}

SEC("raw_tp/kfree")
int on_kfree(struct bpf_raw_tracepoint_args *ctx)
{
	return on_free(ctx->args[1], 0, ctx->args[0]);
}

/*
 * kmem_cache_free: the third argument is the cache's name since 5.13 (commit
 * 3544de8ee6e4, "mm, tracing: record slab name for kmem_cache_free()"), the cache
 * itself since 6.1 (2c1d697fb8ba).
 */
SEC("raw_tp/kmem_cache_free")
int on_cache_free(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 ptr = ctx->args[1], cache = cfg.free_has_cache ? ctx->args[2] : 0;

	if (cache && cache == cache_of_caches)
		forget_cache(ptr);
	return on_free(ptr, cache, ctx->args[0]);
}

SEC("raw_tp/mm_page_alloc")
int on_page_alloc(struct bpf_raw_tracepoint_args *ctx)
{
	struct alloc_event e = {
		.ctx = ctx, .owner = OF_PAGES, .kind = KA_PAGES, .ptr = ctx->args[0],
		.cache = KA_CACHE_PAGES, .gfp = ctx->args[2],
		.size = 1ull << (cfg.pages.shift + (ctx->args[1] & 31)),
	};

	return on_alloc(&e);
}

SEC("raw_tp/mm_page_free")
int on_page_free(struct bpf_raw_tracepoint_args *ctx)
{
	return on_free(ctx->args[0], KA_CACHE_PAGES, 0);
}

/* (call_site, reserved, is_atomic, size, align, base, off, ptr, bytes_alloc, gfp) of late, */
SEC("raw_tp/percpu_alloc_percpu")
int on_percpu_alloc(struct bpf_raw_tracepoint_args *ctx)
{
	struct alloc_event e = {
		.ctx = ctx, .owner = OF_PERCPU, .kind = KA_PERCPU, .call_site = ctx->args[0],
		.ptr = ctx->args[7], .cache = KA_CACHE_PERCPU, .req = ctx->args[3],
		.size = ctx->args[8], .gfp = ctx->args[9],
	};

	return on_alloc(&e);
}

/* (reserved, is_atomic, size, align, base, off, ptr) before. */
SEC("raw_tp/percpu_alloc_percpu")
int on_percpu_alloc_old(struct bpf_raw_tracepoint_args *ctx)
{
	struct alloc_event e = {
		.ctx = ctx, .owner = OF_PERCPU, .kind = KA_PERCPU, .ptr = ctx->args[6],
		.cache = KA_CACHE_PERCPU, .req = ctx->args[2], .size = ctx->args[2],
	};

	return on_alloc(&e);
}

SEC("raw_tp/percpu_free_percpu")
int on_percpu_free(struct bpf_raw_tracepoint_args *ctx)
{
	return on_free(ctx->args[2], KA_CACHE_PERCPU, 0);
}

/* ---- processes come and go -------------------------------------------------- */

/* (parent, child); with CLONE_PARENT the parent isn't the one that forks. */
SEC("raw_tp/sched_process_fork")
int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *child = (void *)ctx->args[1];
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, new = BPF_CORE_READ(child, tgid);
	__u8 in = 1;

	if (new == tgid || !bpf_map_lookup_elem(&family, &tgid))
		return 0;
	if (bpf_map_update_elem(&family, &new, &in, BPF_ANY))
		lose(KA_LOSS_OBJECTS, 1);
	return 0;
}

/* The leader's task goes last: its number may be another process's from now on. */
SEC("raw_tp/sched_process_free")
int on_reaped(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	__u32 tgid = BPF_CORE_READ(task, tgid);

	if (tgid == (__u32)BPF_CORE_READ(task, pid))
		bpf_map_delete_elem(&family, &tgid);
	return 0;
}

/* ---- bulk paths: they emit no event, where fentry is to be had it sees them - */

struct bulk {
	__u64 objects, cache;	/* address of the array of pointers */
	void *ctx;
};

static long bulk_free_one(__u32 i, struct bulk *b)
{
	__u64 ptr = 0;

	bpf_probe_read_kernel(&ptr, sizeof(ptr), (void *)(b->objects + i * sizeof(ptr)));
	on_free(ptr, b->cache, 0);
	return 0;
}

/* Arguments by number: 6.1's verifier lets no program load one of type void **. */
static __always_inline __u64 func_arg(void *ctx, __u32 n)
{
	__u64 value = 0;

	bpf_get_func_arg(ctx, n, &value);
	return value;
}

/* (cache, size, objects); the cache may be NULL: kfree_bulk() leaves it open. */
SEC("fentry/kmem_cache_free_bulk")
int on_bulk_free(void *ctx)
{
	struct bulk b = { .objects = func_arg(ctx, 2), .cache = func_arg(ctx, 0) };

	bpf_loop(func_arg(ctx, 1), bulk_free_one, &b, 0);
	return 0;
}

static long bulk_alloc_one(__u32 i, struct bulk *b)
{
	struct alloc_event e = { .ctx = b->ctx, .owner = OF_BULK, .kind = KA_SLAB,
				 .cache = b->cache };

	bpf_probe_read_kernel(&e.ptr, sizeof(e.ptr), (void *)(b->objects + i * sizeof(e.ptr)));
	on_alloc(&e);
	return 0;
}

/* (cache, gfp, size, objects); returns how many there are, 0: none. */
static __always_inline int bulk_alloc(void *ctx)
{
	struct bulk b = { .objects = func_arg(ctx, 3), .cache = func_arg(ctx, 0), .ctx = ctx };
	__u64 count = 0;

	bpf_get_func_ret(ctx, &count);
	if ((__s32)count > 0)
		bpf_loop((__u32)count, bulk_alloc_one, &b, 0);
	return 0;
}

SEC("fexit/kmem_cache_alloc_bulk")
int on_bulk_alloc(void *ctx)
{
	return bulk_alloc(ctx);
}

SEC("fexit/kmem_cache_alloc_bulk_noprof")
int on_bulk_alloc_noprof(void *ctx)
{
	return bulk_alloc(ctx);
}

/* ---- run by user space ----------------------------------------------------- */

struct ka_forget forget[KA_FORGET_MAX];
__u32 forgotten;

static long forget_one(__u32 i, __u32 *done)
{
	struct ka_object *o;
	__u64 ptr;

	if (i >= KA_FORGET_MAX)
		return 1;
	ptr = forget[i].addr;
	o = bpf_map_lookup_elem(&live, &ptr);
	if (o && o->time == forget[i].time && drop_object(ptr)) {
		forget[i].addr = 0;
		*done += 1;
	}
	return 0;
}

/* Drops the first *n of forget[] that still stand as they were read; their addr becomes 0. */
SEC("syscall")
int forget_objects(__u32 *n)
{
	__u32 done = 0;

	bpf_loop(*n, forget_one, &done, 0);
	forgotten = done;
	return 0;
}

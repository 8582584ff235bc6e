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
#include "slab_page.bpf.h"
#include "slab_maps.bpf.h"
#include "slab_sites.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

extern struct kmem_cache *bpf_get_kmem_cache(__u64 addr) __ksym __weak;

/* Allocation and free agree, because the address decides alone. */
static __always_inline int sampled_out(__u64 ptr)
{
	return cfg.sample && (__u32)((ptr * 0x9e3779b97f4a7c15ull) >> 32) >= cfg.sample;
}

static __always_inline int bad_pointer(__u64 ptr)
{
	return ptr <= 16;	/* NULL, ZERO_SIZE_PTR */
}

static __always_inline int foreign_task(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	if (cfg.tgid && cfg.tgid != tgid)
		return 1;
	if (cfg.by_family && !bpf_map_lookup_elem(&family, &tgid))
		return 1;
	if (cfg.by_comm) {
		__u64 comm[2] = {};

		bpf_get_current_comm(comm, sizeof(comm));
		if (comm[0] != ((const volatile __u64 *)cfg.comm)[0] ||
		    comm[1] != ((const volatile __u64 *)cfg.comm)[1])
			return 1;
	}
	return cfg.by_cgroup && bpf_current_task_under_cgroup(&cgroups, 0) != 1;
}

/* The cache that a kmalloc'd object came from, or a pseudo cache. */
static __always_inline __u64 cache_of(__u64 ptr)
{
	__u64 cache = 0;

	if (cfg.use_kfunc) {
		/* A pointer to the verifier, which can't be hashed; swapped out a number. */
		__sync_lock_test_and_set(&cache, (__u64)bpf_get_kmem_cache(ptr));
		return cache ? cache : KA_CACHE_LARGE;
	}
	if (!cfg.pages.map0)
		return KA_CACHE_UNKNOWN;
	cache = slab_cache_of(head_page(page_of(&cfg.pages, ptr)));
	return cache ? cache : KA_CACHE_LARGE;
}

/* Bytes of a large kmalloc; 0 where pages can't be read. Its pages are a folio. */
static __always_inline __u64 large_size(__u64 ptr)
{
	__u64 folio = page_of(&cfg.pages, ptr);

	if (!cfg.pages.map0 || !bpf_core_field_exists(struct folio, _flags_1))
		return 0;
	return 1ull << (cfg.pages.shift +
			(BPF_CORE_READ((struct folio *)folio, _flags_1) & 0xff) % 32);
}

static __noinline struct ka_cache *new_cache(__u64 cache)
{
	struct ka_cache c = {};
	struct kmem_cache *s = (void *)cache;
	const char *name = NULL;
	__u32 *state;

	c.index = __sync_fetch_and_add(&cache_count, 1);
	if (c.index >= KA_MAX_CACHES) {
		lose(KA_LOSS_CACHES, 1);
		return NULL;
	}
	if (cache > KA_CACHE_LAST) {
		c.object_size = BPF_CORE_READ(s, object_size);
		c.slab_size = BPF_CORE_READ(s, size);
		name = BPF_CORE_READ(s, name);
		bpf_probe_read_kernel_str(&c.name, sizeof(c.name), name);
	} else {
		c.name.text[0] = (char)cache;	/* pseudo caches: a name that no cache has */
	}
	state = bpf_map_lookup_elem(&decided, &c.name);
	if (state)
		c.state = *state;
	bpf_map_update_elem(&caches, &cache, &c, BPF_NOEXIST);
	return bpf_map_lookup_elem(&caches, &cache);
}

static __always_inline __u64 *unwanted_place(__u64 cache)
{
	return &unwanted[(cache >> 6 ^ cache >> 14) % UNWANTED_PLACES];
}

/* NULL: nobody wants to know of this cache. */
static __always_inline struct ka_cache *wanted_cache(__u64 cache)
{
	__u64 *place = unwanted_place(cache);
	struct ka_cache *c;

	if (cache && *place == cache)
		return NULL;
	c = bpf_map_lookup_elem(&caches, &cache);
	if (!c)
		c = new_cache(cache);
	if (!c || c->state != KA_CACHE_UNWANTED)
		return c;
	*place = cache;
	return NULL;
}

/* @cache was destroyed: what is made at its address is another one. */
static __always_inline void forget_cache(__u64 cache)
{
	__u64 *place = unwanted_place(cache);

	bpf_map_delete_elem(&caches, &cache);
	if (*place == cache)
		*place = 0;
}

static __always_inline struct ka_cache_count *count_of(struct ka_cache *c)
{
	__u32 index = c->index;

	return bpf_map_lookup_elem(&counts, &index);
}

static __always_inline void fill_object(struct ka_object *o, const struct alloc_event *e)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	__u64 id = bpf_get_current_pid_tgid();

	o->time = bpf_ktime_get_ns();
	o->cache = e->cache;
	o->cgroup = bpf_get_current_cgroup_id();
	if (bpf_core_field_exists(task->start_boottime))
		o->task_start = BPF_CORE_READ(leader, start_boottime);
	else
		o->task_start = BPF_CORE_READ((struct task_struct___5_4 *)leader, real_start_time);
	bpf_get_current_comm(o->comm, sizeof(o->comm));
	o->tgid = id >> 32;
	o->tid = (__u32)id;
	o->size = e->size > 0xffffffffull ? 0xffffffffu : (__u32)e->size;
	o->req_size = e->req > 0xffffffffull ? 0xffffffffu : (__u32)e->req;
	o->gfp = e->gfp;
	o->kind = e->kind;
}

/*
 * The address is in use again though no free was seen: the old record was wrong. Or it
 * is the second event of one allocation, and names its caller better than the first.
 */
static __always_inline void replace_object(__u64 ptr, const struct ka_object *o, int second)
{
	struct ka_object *old = bpf_map_lookup_elem(&live, &ptr);

	if (old && second) {
		unenter_site(old);
	} else if (old) {
		lose(KA_LOSS_MISSED_FREE, 1);
		leave_site(old, o->time);
	}
	bpf_map_update_elem(&live, &ptr, o, BPF_ANY);
}

static __always_inline void keep_object(const struct alloc_event *e)
{
	struct ka_object o = {};
	__u64 ptr = e->ptr;
	long err;

	if (e->second && !bpf_map_lookup_elem(&live, &ptr))
		return;		/* no room for the first */
	fill_object(&o, e);
	o.site = enter_site(e, o.time);
	if (cfg.user_stacks)
		o.ustack = take_ustack(e, o.tgid);
	err = bpf_map_update_elem(&live, &ptr, &o, BPF_NOEXIST);
	if (!err)
		return;
	if (err == -17 /* EEXIST */) {
		replace_object(ptr, &o, e->second);
	} else {
		lose(KA_LOSS_OBJECTS, 1);
		leave_site(&o, o.time);
	}
}

static __always_inline void count_proc(const struct alloc_event *e)
{
	struct ka_proc_key key = { .tgid = bpf_get_current_pid_tgid() >> 32 };
	struct ka_proc zero = {}, *p;

	bpf_get_current_comm(key.comm, sizeof(key.comm));
	p = bpf_map_lookup_elem(&procs, &key);
	if (!p) {
		bpf_map_update_elem(&procs, &key, &zero, BPF_NOEXIST);
		p = bpf_map_lookup_elem(&procs, &key);
		if (!p) {
			lose(KA_LOSS_OBJECTS, 1);
			return;
		}
	}
	__sync_fetch_and_add(&p->allocs, 1);
	__sync_fetch_and_add(&p->bytes, e->size);
	enter_site(e, bpf_ktime_get_ns());
}

static __always_inline void send_event(__u32 op, __u64 ptr, __u64 cache, __u64 call_site,
				       __u64 size)
{
	struct ka_event *ev = bpf_ringbuf_reserve(&ring, sizeof(*ev), 0);
	__u64 id = bpf_get_current_pid_tgid();

	if (!ev) {
		lose(KA_LOSS_RING, 1);
		return;
	}
	ev->time = bpf_ktime_get_ns();
	ev->addr = ptr;
	ev->cache = cache;
	ev->call_site = call_site;
	ev->op = op;
	ev->tgid = id >> 32;
	ev->tid = (__u32)id;
	ev->size = (__u32)size;
	bpf_get_current_comm(ev->comm, sizeof(ev->comm));
	bpf_ringbuf_submit(ev, 0);
}

#define SECOND_NS 1000000	/* between two events of one allocation, at most */

/*
 * Newer kernels trace a large kmalloc twice, in __kmalloc_large_node() and in its caller
 * __do_kmalloc_node() (mm/slub.c, 6.9 and later): the same address, by the same task, on
 * the spot. A free between is possible, by another CPU, but not that fast.
 */
static __always_inline int second_event(const struct alloc_event *e)
{
	__u32 zero = 0, tid = (__u32)bpf_get_current_pid_tgid();
	struct last_large *last = bpf_map_lookup_elem(&last_large, &zero);
	__u64 now = bpf_ktime_get_ns();
	int second;

	if (!last)
		return 0;
	second = last->ptr == e->ptr && last->tid == tid && now - last->time < SECOND_NS;
	last->ptr = second ? 0 : e->ptr;
	last->tid = tid;
	last->time = now;
	return second;
}

/* e->cache and, for caches, e->size may still be open (0). */
static __always_inline int on_alloc(struct alloc_event *e)
{
	struct ka_cache_count *n;
	struct ka_cache *c;

	if (bad_pointer(e->ptr))
		return 0;
	if (e->size && (e->size < cfg.min_size || (cfg.max_size && e->size > cfg.max_size)))
		return 0;
	if (sampled_out(e->ptr))
		return 0;
	if (!e->cache)
		e->cache = cache_of(e->ptr);
	if (e->cache == KA_CACHE_LARGE) {
		e->kind = KA_LARGE;
		e->second = second_event(e);
	}
	c = wanted_cache(e->cache);
	if (!c || foreign_task())
		return 0;
	if (!e->size) {
		e->size = c->slab_size;
		if (e->size < cfg.min_size || (cfg.max_size && e->size > cfg.max_size))
			return 0;
	}
	if (cfg.track)
		keep_object(e);
	if (e->second)
		return 0;
	n = cfg.count ? count_of(c) : NULL;
	if (n) {
		n->allocs++;
		n->alloc_bytes += e->size;
	}
	if (cfg.trace)
		send_event(KA_EV_ALLOC, e->ptr, e->cache, e->call_site, e->size);
	if (cfg.procs)
		count_proc(e);
	return 0;
}

static __always_inline int drop_object(__u64 ptr)
{
	struct ka_object *o = bpf_map_lookup_elem(&live, &ptr), gone;

	if (!o)
		return 0;
	gone.site = o->site;
	gone.time = o->time;
	gone.size = o->size;
	/* The element may be in use again as soon as it is deleted. */
	if (bpf_map_delete_elem(&live, &ptr))
		return 0;
	leave_site(&gone, bpf_ktime_get_ns());
	return 1;
}

static __always_inline void count_free(__u64 ptr, __u64 cache)
{
	struct ka_cache *c = wanted_cache(cache ? cache : cache_of(ptr));
	struct ka_cache_count *n;

	if (!c || foreign_task())
		return;
	n = count_of(c);
	if (n) {
		n->frees++;
		n->free_bytes += c->slab_size ? c->slab_size : large_size(ptr);
	}
}

/* cache 0: not told by the event. */
static __always_inline int on_free(__u64 ptr, __u64 cache, __u64 call_site)
{
	if (bad_pointer(ptr) || sampled_out(ptr))
		return 0;
	if (cache && cfg.filtered && !wanted_cache(cache))
		return 0;
	if (cfg.count)
		count_free(ptr, cache);
	if (!cfg.track)
		return 0;
	if (!drop_object(ptr)) {
		/* Means something only where every allocation is recorded. */
		if (!cfg.some_tasks && (!cfg.filtered || cache)) {
			lose(KA_LOSS_UNMATCHED, 1);
			count_free(ptr, cache);
		}
		return 0;
	}
	if (cfg.trace)
		send_event(KA_EV_FREE, ptr, cache, call_site, 0);
	return 0;
}

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

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * slab_objects.bpf.h - what becomes of an allocation and of a free, whichever event told
 * of it: is it wanted, which cache is it of, the object's place, the figures (BPF code).
 */
#ifndef KAGENT_SLAB_OBJECTS_BPF_H
#define KAGENT_SLAB_OBJECTS_BPF_H

#include "slab_maps.bpf.h"
#include "slab_page.bpf.h"
#include "slab_sites.bpf.h"

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

#endif

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * verdict.bpf.c - whether an object that was never seen freed is still
 * allocated: looks for it on the free lists of its slab.
 *
 * Objects freed through kmem_cache_free_bulk() (kfree_rcu batches, skb and
 * io_uring caches) emit no event. SLUB itself knows better: a free object is on
 * its slab's freelist, on the freelist of the CPU that owns the slab, or (6.18)
 * in a per-CPU sheaf or a node's barn. Layouts and algorithms: mm/slub.c,
 * freelist_ptr_decode(), get_freepointer(), struct slub_percpu_sheaves.
 *
 * All is read without locks while the kernel goes on. A slab's lists are taken
 * as read only when its freelist, its counters and the owning CPU's transaction
 * id are the same before and after; else it is read again, and at last the
 * object stays unverified. Run through BPF_PROG_RUN by one thread at a time.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "kernel_types.h"
#include "slab_events.h"
#include "slab_page.bpf.h"
#include "slab_percpu.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define MAX_OBJECTS	1024	/* of a slab; those of larger slabs stay unverified */
#define TRIES		16

/* In and out; mapped by user space. */
struct ka_pages pages;
struct ka_check check[KA_CHECKS_MAX];
__u64 sheaf_object[KA_SHEAF_MAX];
__u32 sheaves_listed;

extern struct kmem_cache *bpf_get_kmem_cache(__u64 addr) __ksym __weak;
const volatile __u8 use_kfunc = 0;

/* The slab that was read last: suspects come sorted by address. */
struct slab_view {
	__u64 head;		/* its struct slab */
	__u64 cache;
	__u64 base, end;	/* addresses of its objects */
	__u32 size;		/* bytes from one object to the next */
	__u32 objects;
	__u32 offset;		/* of the pointer in a free object */
	__u64 random;
	__u32 cpus;
	__u32 good;		/* the bitmap holds */
	__u32 broken;		/* a walk met a pointer that can't be */
	__u64 cookie;
	__u64 owner;		/* the CPU's kmem_cache_cpu, 0: none found */
	__u64 at;		/* walk: the free object */
};
/* "used": clang would take it apart, and its BTF with it. */
static struct slab_view view __attribute__((used));
static __u64 bitmap[MAX_OBJECTS / 64];

static long walk_step(__u32 i, void *unused)
{
	__u64 at = view.at, index;

	if (!at)
		return 1;
	index = view.size ? (at - view.base) / view.size : MAX_OBJECTS;
	if (at < view.base || at >= view.end || index >= MAX_OBJECTS) {
		view.broken = 1;
		return 1;
	}
	bitmap[index / 64] |= 1ull << (index & 63);
	view.at = next_free(at + view.offset, view.random);
	return 0;
}

static __always_inline void walk(__u64 first)
{
	view.at = first;
	bpf_loop(view.objects + 1, walk_step, NULL, 0);
	if (view.at)
		view.broken = 1;
}

static long find_owner(__u32 cpu, void *unused)
{
	struct kmem_cache *s = (void *)view.cache;
	struct kmem_cache_cpu *c = (void *)on_cpu(view.cookie,
						  (__u64)BPF_CORE_READ(s, cpu_slab), cpu);

	if (c && (__u64)BPF_CORE_READ(c, slab) == view.head) {
		view.owner = (__u64)c;
		return 1;
	}
	return 0;
}

/* What must not change while the lists are read. */
struct seal {
	__u64 freelist, counters, tid, cpu_slab;
};

static __always_inline void read_seal(struct seal *seal)
{
	struct slab *slab = (void *)view.head;
	struct kmem_cache_cpu *c = (void *)view.owner;

	seal->freelist = (__u64)BPF_CORE_READ(slab, freelist);
	seal->counters = BPF_CORE_READ(slab, counters);
	seal->tid = c ? BPF_CORE_READ(c, tid) : 0;
	seal->cpu_slab = c ? (__u64)BPF_CORE_READ(c, slab) : 0;
}

static long read_lists(__u32 attempt, void *unused)
{
	struct slab *slab = (void *)view.head;
	struct kmem_cache *s = (void *)view.cache;
	struct seal before, after;
	struct kmem_cache_cpu *c;
	__u64 counters = BPF_CORE_READ(slab, counters);
	__u32 i;

	view.broken = 0;
	view.owner = 0;
	view.objects = counted_objects(counters);
	view.end = view.base + (__u64)view.objects * view.size;
	for (i = 0; i < MAX_OBJECTS / 64; i++)
		bitmap[i] = 0;
	if (is_frozen(counters) && bpf_core_field_exists(s->cpu_slab))
		bpf_loop(view.cpus, find_owner, NULL, 0);
	read_seal(&before);
	walk(before.freelist);
	c = (void *)view.owner;
	if (c)
		walk((__u64)BPF_CORE_READ(c, freelist));
	read_seal(&after);
	view.good = !view.broken && before.freelist == after.freelist &&
		    before.counters == after.counters && before.tid == after.tid &&
		    before.cpu_slab == after.cpu_slab;
	return view.good;
}

static __always_inline void read_slab(__u64 head, __u64 cache)
{
	struct kmem_cache *s = (void *)cache;

	view.head = head;
	view.cache = cache;
	view.base = address_of(&pages, head);
	view.size = BPF_CORE_READ(s, size);
	view.offset = BPF_CORE_READ(s, offset);
	if (bpf_core_field_exists(s->random))
		view.random = BPF_CORE_READ(s, random);
	bpf_loop(TRIES, read_lists, NULL, 0);
}

/* An object right in the slab; its padding (debug options) keeps the index. */
static __always_inline __u32 slab_verdict(__u64 addr, __u64 cache)
{
	__u64 head = head_page(page_of(&pages, addr)), index;

	if (slab_cache_of(head) != cache)
		return KA_GONE;
	if (view.head != head || view.cache != cache || !view.good)
		read_slab(head, cache);
	if (slab_cache_of(head) != cache)
		return KA_GONE;
	if (!view.good || !view.size)
		return KA_UNVERIFIED;
	index = (addr - view.base) / view.size;
	if (addr < view.base || addr >= view.end || index >= MAX_OBJECTS)
		return KA_UNVERIFIED;
	return bitmap[index / 64] >> (index & 63) & 1 ? KA_FREED : KA_LIVE;
}

static __always_inline __u32 type_of(__u64 page)
{
	return BPF_CORE_READ((struct page *)page, page_type) >> 24;
}

/*
 * A large kmalloc: pages of its own. They are told from others since 6.15; their
 * reference count tells nothing: newer kernels keep none ("frozen" pages).
 */
static __always_inline __u32 large_verdict(__u64 addr)
{
	__u64 page = page_of(&pages, addr);

	if (head_page(page) != page)
		return KA_GONE;
	if (bpf_core_enum_value_exists(enum pagetype, PGTY_large_kmalloc))
		return type_of(page) == bpf_core_enum_value(enum pagetype, PGTY_large_kmalloc)
		       ? KA_LIVE : KA_GONE;
	return BPF_CORE_READ((struct page *)page, _refcount.counter) ? KA_UNVERIFIED : KA_GONE;
}

/*
 * Every allocation of a page is seen, so one in use is still the one recorded. Pages of
 * slabs and of large kmallocs may have no reference count, as those that are free.
 */
static __always_inline __u32 page_verdict(__u64 page)
{
	if (BPF_CORE_READ((struct page *)page, _refcount.counter))
		return KA_LIVE;
	if (!bpf_core_enum_value_exists(enum pagetype, PGTY_slab))
		return KA_GONE;
	if (type_of(page) == bpf_core_enum_value(enum pagetype, PGTY_slab))
		return KA_LIVE;
	if (bpf_core_enum_value_exists(enum pagetype, PGTY_large_kmalloc) &&
	    type_of(page) == bpf_core_enum_value(enum pagetype, PGTY_large_kmalloc))
		return KA_LIVE;
	return KA_GONE;
}

static long check_one(__u32 i, void *unused)
{
	struct ka_check *c;

	if (i >= KA_CHECKS_MAX)
		return 1;
	c = &check[i];
	c->verdict = KA_UNVERIFIED;
	if (c->kind == KA_PAGES)
		c->verdict = page_verdict(c->addr);
	else if (c->kind == KA_LARGE && pages.map0)
		c->verdict = large_verdict(c->addr);
	else if (c->kind == KA_SLAB && pages.map0)
		c->verdict = slab_verdict(c->addr, c->cache);
	return 0;
}

SEC("syscall")
int verify(struct ka_verify *v)
{
	__builtin_memset(&view, 0, sizeof(view));
	view.cpus = v->cpus;
	view.cookie = percpu_cookie();
	bpf_loop(v->checks, check_one, NULL, 0);
	return 0;
}

/* ---- sheaves (6.18): arrays of free objects -------------------------------- */

struct sheaf_walk {
	__u64 cache, cookie;
	__u32 listed, cpus;
	__u64 sheaf, entry, first;	/* entry, first: of a barn's list */
};
static struct sheaf_walk sheaves __attribute__((used));

static long list_object(__u32 i, void *unused)
{
	struct slab_sheaf *sheaf = (void *)sheaves.sheaf;
	__u32 n = *(volatile __u32 *)&sheaves.listed; /* read once: the verifier wants it so */
	__u64 object = 0;

	if (n >= KA_SHEAF_MAX)
		return 1;
	bpf_core_read(&object, sizeof(object), &sheaf->objects[i]);
	sheaf_object[n] = object;
	sheaves.listed = n + 1;
	return 0;
}

static __always_inline void list_sheaf(__u64 sheaf)
{
	if (!sheaf)
		return;
	sheaves.sheaf = sheaf;
	bpf_loop(BPF_CORE_READ((struct slab_sheaf *)sheaf, size), list_object, NULL, 0);
}

static long list_cpu(__u32 cpu, void *unused)
{
	struct kmem_cache *s = (void *)sheaves.cache;
	struct slub_percpu_sheaves *p = (void *)on_cpu(sheaves.cookie,
						       (__u64)BPF_CORE_READ(s, cpu_sheaves), cpu);

	if (!p)
		return 1;
	list_sheaf((__u64)BPF_CORE_READ(p, main));
	list_sheaf((__u64)BPF_CORE_READ(p, spare));
	list_sheaf((__u64)BPF_CORE_READ(p, rcu_free));
	return 0;
}

static long list_barn_sheaf(__u32 i, void *unused)
{
	struct list_head *entry = (void *)sheaves.entry;

	if (!entry || (__u64)entry == sheaves.first)
		return 1;
	list_sheaf((__u64)entry - bpf_core_field_offset(struct slab_sheaf, barn_list));
	sheaves.entry = (__u64)BPF_CORE_READ(entry, next);
	return 0;
}

static long list_node(__u32 node, void *unused)
{
	struct kmem_cache *s = (void *)sheaves.cache;
	struct kmem_cache_node *n = NULL;
	struct node_barn *barn;

	bpf_core_read(&n, sizeof(n), &s->node[node]);
	barn = n ? BPF_CORE_READ(n, barn) : NULL;
	if (!barn)
		return 0;
	sheaves.first = (__u64)barn + bpf_core_field_offset(struct node_barn, sheaves_full);
	sheaves.entry = (__u64)BPF_CORE_READ(barn, sheaves_full.next);
	bpf_loop(BPF_CORE_READ(barn, nr_full), list_barn_sheaf, NULL, 0);
	return 0;
}

/* Lists the free objects of the cache's sheaves in sheaf_object[]. */
SEC("syscall")
int list_sheaves(struct ka_verify *v)
{
	struct kmem_cache *s = (void *)v->cache;

	sheaves_listed = 0;
	if (!bpf_core_field_exists(s->cpu_sheaves) || !BPF_CORE_READ(s, cpu_sheaves))
		return 0;
	__builtin_memset(&sheaves, 0, sizeof(sheaves));
	sheaves.cache = v->cache;
	sheaves.cookie = percpu_cookie();
	bpf_loop(v->cpus, list_cpu, NULL, 0);
	bpf_loop(v->nodes, list_node, NULL, 0);
	sheaves_listed = sheaves.listed;
	return 0;
}

/* ---- the anchor: one pair of address and page -------------------------------- */

#define PROBES		6	/* objects of the current task, of as many caches */
static __u64 known[PROBES];

static __always_inline int anchor_holds(void)
{
	__u32 i, held = 0;

	for (i = 0; i < PROBES; i++) {
		__u64 cache;

		if (!known[i])
			continue;
		cache = (__u64)bpf_get_kmem_cache(known[i]);
		if (!cache)
			continue;
		if (slab_cache_of(head_page(page_of(&pages, known[i]))) != cache)
			return 0;
		held++;
	}
	return held >= 2;
}

struct anchor_try {
	__u64 cache, cookie;
};

/* A CPU's slab and the first object of its freelist lie in the same pages. */
static long try_cpu(__u32 cpu, struct anchor_try *t)
{
	struct kmem_cache *s = (void *)t->cache;
	struct kmem_cache_cpu *c =
		(void *)on_cpu(t->cookie, (__u64)BPF_CORE_READ(s, cpu_slab), cpu);
	__u64 object = c ? (__u64)BPF_CORE_READ(c, freelist) : 0;
	__u32 order = BPF_CORE_READ(s, oo.x) >> 16;

	if (!object || order > 10)
		return 0;
	pages.map0 = (__u64)BPF_CORE_READ(c, slab) -
		     (object >> pages.shift >> order << order) * bpf_core_type_size(struct page);
	if (anchor_holds())
		return 1;
	pages.map0 = 0;
	return 0;
}

static __always_inline void know(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	known[0] = (__u64)task;
	known[1] = (__u64)BPF_CORE_READ(task, mm);
	known[2] = (__u64)BPF_CORE_READ(task, files);
	known[3] = (__u64)BPF_CORE_READ(task, signal);
	known[4] = (__u64)BPF_CORE_READ(task, sighand);
	known[5] = (__u64)BPF_CORE_READ(task, cred);
}

/* Where kallsyms names data: the two variables that say it. */
static __always_inline void anchor_by_symbols(const struct ka_verify *v)
{
	__u64 vmemmap = 0, page_offset = 0;

	if (!v->vmemmap_symbol || !v->page_offset_symbol)
		return;
	bpf_probe_read_kernel(&vmemmap, sizeof(vmemmap), (void *)v->vmemmap_symbol);
	bpf_probe_read_kernel(&page_offset, sizeof(page_offset), (void *)v->page_offset_symbol);
	if (vmemmap && page_offset)
		pages.map0 =
			vmemmap - (page_offset >> pages.shift) * bpf_core_type_size(struct page);
}

/* Sets pages.map0, which stays 0 when nothing tells. */
SEC("syscall")
int find_anchor(struct ka_verify *v)
{
	struct anchor_try t = { .cookie = percpu_cookie() };
	__u32 i;

	anchor_by_symbols(v);
	if (pages.map0 || !use_kfunc || !bpf_core_field_exists(struct kmem_cache, cpu_slab))
		return 0;
	know();
	for (i = 0; i < PROBES && !pages.map0; i++) {
		t.cache = known[i] ? (__u64)bpf_get_kmem_cache(known[i]) : 0;
		if (t.cache)
			bpf_loop(v->cpus, try_cpu, &t, 0);
	}
	return 0;
}

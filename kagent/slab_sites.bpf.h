// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * slab_sites.bpf.h - stacks, and the totals of the sites that they make
 * (BPF code).
 */
#ifndef KAGENT_SLAB_SITES_BPF_H
#define KAGENT_SLAB_SITES_BPF_H

#include "site_totals.bpf.h"

/*
 * Puts the frames from call_site on into s->site.ip, and their hash, seeded
 * with the cache, into *hash. What lies inside of call_site is this program
 * and the allocator itself; events that name no caller keep it, for user space.
 */
static __always_inline int take_stack(struct scratch *s, const struct alloc_event *e, __u64 *hash)
{
	__u32 want = (cfg.depth + 1 + KA_TRIM) * sizeof(__u64);
	__u32 skip = 0, n, i;
	long bytes;

	if (want > sizeof(s->raw))
		want = sizeof(s->raw);
	bytes = bpf_get_stack(e->ctx, s->raw, want, 0);
	if (bytes <= 0)
		return -1;
	n = (__u32)bytes / sizeof(__u64);
	for (i = 0; i < KA_TRIM && i < n; i++) {
		if (s->raw[i] == e->call_site) {
			skip = i;
			break;
		}
	}
	s->site.flags = 0;
	for (i = 0; i < KA_MAX_DEPTH; i++) {
		if (i + skip >= n)
			break;
		if (i >= cfg.depth) {
			s->site.flags = KA_SITE_CUT;
			break;
		}
		s->site.ip[i] = s->raw[skip + i];
		*hash = mix(*hash, s->site.ip[i]);
	}
	s->site.depth = i;
	return 0;
}

/* Counts the allocation at its site and returns the site's key, 0: lost. */
static __always_inline __u64 enter_site(const struct alloc_event *e, __u64 now)
{
	__u32 owner = e->owner;
	struct scratch *s = bpf_map_lookup_elem(&scratches, &owner);
	__u64 hash = mix(e->kind + 1, e->cache);
	struct ka_site *site;

	if (!s)
		return 0;
	s->site.depth = 0;
	s->site.flags = KA_SITE_NO_STACK;
	if (!cfg.stacks) {
		s->site.depth = 1;
		s->site.flags = 0;
		s->site.ip[0] = e->call_site;
		hash = mix(hash, e->call_site);
	} else if (take_stack(s, e, &hash)) {
		lose(KA_LOSS_STACK, 1);
	}
	site = bpf_map_lookup_elem(&sites, &hash);
	if (!site) {
		s->site.cache = e->cache;
		s->site.first_time = now;
		bpf_map_update_elem(&sites, &hash, &s->site, BPF_NOEXIST);
		site = bpf_map_lookup_elem(&sites, &hash);
		if (!site) {
			lose(KA_LOSS_SITES, 1);
			return 0;
		}
		new_site[__sync_fetch_and_add(&new_sites, 1) % KA_NEW_SITES] = hash;
		if (site->flags & KA_SITE_CUT)
			lose(KA_LOSS_CUT, 1);
	}
	totals_alloc(&site->totals, e->size);
	return hash;
}

/* The allocation never was at this site: it is counted at another one. */
static __always_inline void unenter_site(const struct ka_object *o)
{
	struct ka_site *site = bpf_map_lookup_elem(&sites, &o->site);

	if (site)
		totals_unalloc(&site->totals, o->size);
}

static __always_inline __u64 take_ustack(const struct alloc_event *e, __u32 tgid)
{
	__u32 owner = e->owner, i;
	struct scratch *s = bpf_map_lookup_elem(&scratches, &owner);
	__u64 hash = mix(7, tgid);
	long bytes;

	if (!s)
		return 0;
	bytes = bpf_get_stack(e->ctx, s->ustack.ip, sizeof(s->ustack.ip), BPF_F_USER_STACK);
	if (bytes <= 0)
		return 0;
	s->ustack.depth = (__u32)bytes / sizeof(__u64);
	s->ustack.tgid = tgid;
	for (i = 0; i < KA_MAX_DEPTH; i++) {
		if (i >= s->ustack.depth)
			break;
		hash = mix(hash, s->ustack.ip[i]);
	}
	if (!bpf_map_lookup_elem(&ustacks, &hash) &&
	    bpf_map_update_elem(&ustacks, &hash, &s->ustack, BPF_ANY)) {
		lose(KA_LOSS_USTACK, 1);
		return 0;
	}
	return hash;
}

static __always_inline void leave_site(const struct ka_object *o, __u64 now)
{
	struct ka_site *site = bpf_map_lookup_elem(&sites, &o->site);

	if (site)
		totals_free(&site->totals, o->size, now > o->time ? now - o->time : 0);
}

#endif

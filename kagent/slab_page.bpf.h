// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * slab_page.bpf.h - from an address in the direct map to its page, to the slab
 * and to the cache (BPF code).
 *
 * The struct pages of a kernel with a virtual memory map are one array, so one
 * known pair of address and page gives all the others. The pair comes from user
 * space: from vmemmap_base where kallsyms names data, else see verdict.bpf.c.
 */
#ifndef KAGENT_SLAB_PAGE_BPF_H
#define KAGENT_SLAB_PAGE_BPF_H

static __always_inline __u64 page_of(const volatile struct ka_pages *p, __u64 ptr)
{
	return p->map0 + (ptr >> p->shift) * bpf_core_type_size(struct page);
}

static __always_inline __u64 address_of(const volatile struct ka_pages *p, __u64 page)
{
	return (page - p->map0) / bpf_core_type_size(struct page) << p->shift;
}

static __always_inline __u64 head_page(__u64 page)
{
	__u64 head = BPF_CORE_READ((struct page *)page, compound_head);

	return head & 1 ? head - 1 : page;
}

/* 0: no page of a slab. */
static __always_inline int is_slab(__u64 head)
{
	if (bpf_core_enum_value_exists(enum pagetype, PGTY_slab))
		return BPF_CORE_READ((struct page *)head, page_type) >> 24 ==
		       bpf_core_enum_value(enum pagetype, PGTY_slab);
	if (bpf_core_enum_value_exists(enum pageflags, PG_slab))
		return BPF_CORE_READ((struct page___flags_word *)head, flags) >>
		       bpf_core_enum_value(enum pageflags, PG_slab) & 1;
	return 1;	/* 6.10 and 6.11: the cache pointer has to do */
}

static __always_inline __u64 slab_cache_of(__u64 head)
{
	if (!is_slab(head))
		return 0;
	if (bpf_core_type_exists(struct slab))
		return (__u64)BPF_CORE_READ((struct slab *)head, slab_cache);
	return (__u64)BPF_CORE_READ((struct page *)head, slab_cache);
}

#endif

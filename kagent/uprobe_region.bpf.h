// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * uprobe_region.bpf.h - mmap(), mremap(), munmap() and mprotect(), as the program calls
 * them (BPF code). User space keeps the regions: a map can't be asked for ranges.
 *
 * All is told when a call has returned. What another thread has mapped in the place of
 * what this one unmapped is told apart by time: it came after this call was made.
 */
#ifndef KAGENT_UPROBE_REGION_BPF_H
#define KAGENT_UPROBE_REGION_BPF_H

#include "uprobe_blocks.bpf.h"

#define MREMAP_DONTUNMAP 4

static __always_inline int is_region(__u32 function)
{
	return function >= KU_MMAP && function <= KU_MPROTECT;
}

/* Of an allocator or the C library, for itself? */
static __always_inline int is_quiet(__u32 image, __u64 back)
{
	const struct ku_object *o = find_object(layout_of(image), back - 1);

	return !o || o->quiet;
}

/* Remembers a call; 1: it is of no interest. */
static __always_inline int on_region_call(struct pt_regs *ctx, const struct ku_process *p,
					  struct ku_thread *t, __u32 function)
{
	__u64 size = PT_REGS_PARM2(ctx), third = PT_REGS_PARM3(ctx), back = 0;
	int replaces = function == KU_MREMAP || function == KU_MUNMAP;

	/* only what makes reserved addresses accessible */
	if (function == KU_MPROTECT && (!p->reserves || !(__u32)third))
		return 1;
	bpf_probe_read_user(&back, sizeof(back), (void *)PT_REGS_SP(ctx));
	if (!cfg.rows || is_quiet(p->image, back))
		return 1;
	t->size = function == KU_MREMAP ? third : function == KU_MUNMAP ? 0 : size;
	t->old_addr = PT_REGS_PARM1(ctx);
	t->old_size = replaces ? size : 0;
	t->access = (__u32)third;
	if (function == KU_MREMAP && PT_REGS_PARM4(ctx) & MREMAP_DONTUNMAP)
		t->old_size = 0;
	t->out = bpf_ktime_get_ns();
	t->passed_over = 0;
	t->function = function;
	t->old.time = 0;
	t->back = back;
	t->sp = PT_REGS_SP(ctx);
	return 0;
}

static __always_inline void tell(const struct ku_region *r)
{
	if (bpf_ringbuf_output(&regions, (void *)r, sizeof(*r), 0))
		lose(r->image, KU_LOSS_REGIONS);
}

static __always_inline int failed(__u32 function, __u64 result)
{
	return function == KU_MUNMAP || function == KU_MPROTECT ? (__u32)result != 0 :
	       result > -4096ull;
}

static __always_inline void on_region_return(struct pt_regs *ctx, struct ku_process *p,
					     struct ku_thread *t, __u64 result)
{
	struct ku_region r = {
		.time = bpf_ktime_get_ns(), .entered = t->out, .size = t->size,
		.addr = t->function == KU_MPROTECT ? t->old_addr : result,
		.old_addr = t->old_addr, .old_size = t->old_size, .image = p->image,
		.tid = (__u32)bpf_get_current_pid_tgid(), .function = t->function,
	};
	struct ku_site *site;

	if (failed(t->function, result))
		return;
	r.without_access = t->function == KU_MMAP && !t->access;
	if (r.without_access)
		p->reserves = 1;
	r.wanted = r.size && !r.without_access && r.size >= cfg.min_size && (!cfg.max_size || r.size <= cfg.max_size);
	if (r.wanted)
		r.site = find_site(ctx, t, p->image, r.time, &site);
	tell(&r);
}

static __always_inline void tell_fork(const struct ku_process *child)
{
	struct ku_region r = { .time = child->start, .image = child->image };

	tell(&r);
}

#endif

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * uprobe_process.bpf.h - which processes are recorded: the one that was asked for, its
 * children, and what they execute (BPF code).
 *
 * A program of which it is not known yet where its allocator is, is stopped before its
 * first instruction; and each one at its first call, by when the loader has mapped its
 * libraries: until user space has looked at it.
 */
#ifndef KAGENT_UPROBE_PROCESS_BPF_H
#define KAGENT_UPROBE_PROCESS_BPF_H

#include <bpf/bpf_core_read.h>

#include "kernel_types.h"
#include "uprobe_maps.bpf.h"
#include "uprobe_region.bpf.h"

#define SIGSTOP 19
#define SIGNAL_GROUP_EXIT 4	/* include/linux/sched/signal.h */
#define NAMESPACES 8		/* in one another, that are looked into */

static __always_inline void ring_bell(void)
{
	__u64 *word;

	__sync_fetch_and_add(&state.changes, 1);
	word = bpf_ringbuf_reserve(&bell, sizeof(*word), 0);
	if (!word)
		return;		/* there are others waiting */
	*word = 0;
	bpf_ringbuf_submit(word, BPF_RB_FORCE_WAKEUP);
}

/* The pid of a task's process in kagent's own namespace; 0: it has none. */
static __always_inline __u32 pid_here(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, group_leader, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level), i;

	for (i = 0; i < NAMESPACES && i <= level; i++) {
		struct upid id = {};

		bpf_core_read(&id, sizeof(id), &pid->numbers[i]);
		if (BPF_CORE_READ(id.ns, ns.inum) == cfg.ns_ino)
			return id.nr;
	}
	return 0;
}

static __always_inline __u32 new_image(void)
{
	return __sync_fetch_and_add(&state.images, 1) + 1;
}

/* The process that was asked for has the image 1. */
static __noinline int meet_root(__u32 tgid)
{
	struct ku_process p = { .start = bpf_ktime_get_ns(), .image = 1, .pid = cfg.pid,
				.on = !cfg.await_exec };

	if (pid_here((void *)bpf_get_current_task()) != cfg.pid)
		return 1;
	state.root_known = 1;
	bpf_map_update_elem(&processes, &tgid, &p, BPF_NOEXIST);
	return 0;
}

/* NULL: the current process is not recorded. */
static __always_inline struct ku_process *this_process(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct ku_process *p = bpf_map_lookup_elem(&processes, &tgid);

	if (!p && !state.root_known && !meet_root(tgid))
		p = bpf_map_lookup_elem(&processes, &tgid);
	return p;
}

static __always_inline void make_used(struct ku_process *p)
{
	if (p->used)
		return;
	p->used = 1;
	ring_bell();
}

/*
 * It stops when this returns to it. The signal is sent before anybody can read of it: a
 * SIGCONT in answer takes back a SIGSTOP that waits, but not one that comes later.
 */
static __always_inline void hold(struct ku_process *p, __u32 why)
{
	if (p->held & why)
		return;
	bpf_send_signal(SIGSTOP);
	p->held |= why;
	ring_bell();
}

/* Not once it has been seen with its libraries. */
static __always_inline void hold_at_call(struct ku_process *p)
{
	if (p->fresh && !(p->held & KU_HELD_LOADED))
		hold(p, KU_HELD_AT_CALL);
}

/*
 * At its start glibc's loader calls this before it maps the libraries, and when it has
 * relocated them, but has not called their constructors; later around each dlopen().
 */
static __always_inline void on_loaded(struct ku_process *p, __u32 function)
{
	__u32 mapped = function == KU_LOADED ? 2 : 1;

	p->loads++;
	if (p->fresh && p->loads == mapped && !(p->held & KU_HELD_AT_CALL))
		hold(p, KU_HELD_LOADED);
	else if (!p->fresh || p->loads > mapped)
		ring_bell();
}

/* ---- fork ------------------------------------------------------------------------ */

/* What is found in the parent holds in the child. */
static __always_inline void copy_layout(__u32 from, __u32 to)
{
	__u64 *known = bpf_map_lookup_elem(&layouts, &from), layout;

	if (!known)
		return;
	layout = *(volatile __u64 *)known;
	bpf_map_update_elem(&layouts, &to, &layout, BPF_ANY);
}

/*
 * (parent, child); with CLONE_PARENT the parent isn't the one that forks. The child does
 * not run yet. What has its parent's memory (vfork) works on its parent's heap.
 */
SEC("raw_tp/sched_process_fork")
int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task(), *child = (void *)ctx->args[1];
	__u32 tgid = BPF_CORE_READ(child, tgid);
	struct ku_process *p = this_process(), new;

	if (!p || !p->on || tgid == (__u32)(bpf_get_current_pid_tgid() >> 32))
		return 0;
	new = *p;
	new.start = bpf_ktime_get_ns();
	new.last_fork = 0;
	new.used = new.fresh = new.held = new.loads = 0;
	new.pid = pid_here(child);
	new.shares = BPF_CORE_READ(child, mm) == BPF_CORE_READ(task, mm);
	if (!new.shares) {
		if (!cfg.children)
			return 0;
		new.parent = p->image;
		new.image = new_image();
		copy_layout(new.parent, new.image);
		p->last_fork = new.start;
	}
	if (!new.pid || bpf_map_update_elem(&processes, &tgid, &new, BPF_ANY)) {
		lose(p->image, KU_LOSS_PROCESSES);
		return 0;
	}
	if (!new.shares)
		tell_fork(&new);
	ring_bell();
	return 0;
}

/* ---- exec ------------------------------------------------------------------------ */

static __always_inline void end_image(const struct ku_process *p, __u32 by_exec, __s32 status)
{
	struct ku_ended e = { .p = *p, .by_exec = by_exec, .status = status };

	if (!p->shares && bpf_map_update_elem(&ended, &p->image, &e, BPF_ANY))
		lose(p->image, KU_LOSS_PROCESSES);
}

static __always_inline void look_at_program(struct ku_process *p, struct task_struct *task)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct inode *inode = BPF_CORE_READ(mm, exe_file, f_inode);

	p->start_code = BPF_CORE_READ(mm, start_code);
	p->exe_inode = BPF_CORE_READ(inode, i_ino);
	p->exe_device = BPF_CORE_READ(inode, i_sb, s_dev);
}

static __always_inline int is_known(const struct ku_process *p)
{
	struct ku_program program = { .inode = p->exe_inode, .device = p->exe_device };

	return !!bpf_map_lookup_elem(&programs, &program);
}

/* (task, its pid before, ...): it has the leader's from now on. Another program, another heap. */
SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid(), tgid = bpf_get_current_pid_tgid() >> 32;
	__u32 was = (__u32)ctx->args[1];
	struct ku_process *p = this_process(), new = { .fresh = 1, .on = 1 };
	int awaited;

	if (!p)
		return 0;
	bpf_map_delete_elem(&threads, &tid);
	bpf_map_delete_elem(&threads, &was);
	awaited = cfg.await_exec && !p->on;
	if (!awaited)
		end_image(p, 1, 0);
	new.start = bpf_ktime_get_ns();
	new.pid = p->pid;
	if (!awaited && !cfg.next_programs) {
		bpf_map_delete_elem(&processes, &tgid);
		ring_bell();
		return 0;
	}
	new.image = awaited ? p->image : new_image();
	look_at_program(&new, (void *)bpf_get_current_task());
	if (!awaited && !is_known(&new)) {
		new.held = KU_HELD_AT_EXEC;
		bpf_send_signal(SIGSTOP);
	}
	if (bpf_map_update_elem(&processes, &tgid, &new, BPF_ANY))
		lose(new.image, KU_LOSS_PROCESSES);
	ring_bell();
	return 0;
}

/* ---- end ------------------------------------------------------------------------- */

static __always_inline __s32 status_of(struct task_struct *task)
{
	if (BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT)
		return BPF_CORE_READ(task, signal, group_exit_code);
	return BPF_CORE_READ(task, group_leader, exit_code);
}

/* An allocator's call that was interrupted for good leaves nothing behind. */
SEC("raw_tp/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid(), tgid = bpf_get_current_pid_tgid() >> 32;
	struct task_struct *task = (void *)bpf_get_current_task();
	struct ku_process *p = this_process();

	bpf_map_delete_elem(&threads, &tid);
	if (!p || BPF_CORE_READ(task, signal, live.counter))
		return 0;
	end_image(p, 0, status_of(task));
	bpf_map_delete_elem(&processes, &tgid);
	ring_bell();
	return 0;
}

#endif

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * kernel_types.h - the few members of kernel structures that kagent's BPF
 * programs read. Offsets are relocated when the programs are loaded (CO-RE),
 * so only names and kinds of the members matter here, and no vmlinux.h of the
 * building machine is needed. Sources: mm/slab.h, mm/slub.c, include/linux/
 * slub_def.h, mm_types.h, sched.h, fs.h of Linux 5.4 to 6.18.
 */
#ifndef KAGENT_KERNEL_TYPES_H
#define KAGENT_KERNEL_TYPES_H

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next, *prev;
};

struct kmem_cache_order_objects {
	unsigned int x;
};

struct slab;

struct kmem_cache_cpu {
	void **freelist;
	unsigned long tid;
	struct slab *slab;	/* 5.17 */
	struct slab *partial;	/* CONFIG_SLUB_CPU_PARTIAL */
};

struct slab_sheaf {		/* 6.18 */
	struct list_head barn_list;
	unsigned int size;
	void *objects[0];
};

struct slub_percpu_sheaves {
	struct slab_sheaf *main;
	struct slab_sheaf *spare;
	struct slab_sheaf *rcu_free;
};

struct node_barn {
	struct list_head sheaves_full;
	unsigned int nr_full;
};

struct kmem_cache_node {
	struct list_head partial;
	struct node_barn *barn;
};

struct kmem_cache {
	struct kmem_cache_cpu *cpu_slab;
	struct slub_percpu_sheaves *cpu_sheaves;
	unsigned int size;
	unsigned int object_size;
	unsigned int offset;
	struct kmem_cache_order_objects oo;
	const char *name;
	struct list_head list;
	unsigned long random;	/* CONFIG_SLAB_FREELIST_HARDENED */
	struct kmem_cache_node *node[1];
};

struct slab {			/* 5.17; overlays struct page */
	struct kmem_cache *slab_cache;
	struct slab *next;	/* in a CPU's partial list */
	void *freelist;
	unsigned long counters;
};

struct atomic_type {
	int counter;
};

struct page {
	unsigned long compound_head;
	unsigned int page_type;
	struct atomic_type _refcount;
	struct kmem_cache *slab_cache;	/* up to 5.16 */
};

/* 6.6: the order is in the low byte of _flags_1; overlays struct page */
struct folio {
	unsigned long _flags_1;
};

/* up to 6.17, then a structure */
struct page___flags_word {
	unsigned long flags;
};

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct signal_struct {
	struct atomic_type live;
	unsigned int flags;
	int group_exit_code;
};

struct super_block {
	unsigned int s_dev;
};

struct inode {
	unsigned long i_ino;
	struct super_block *i_sb;
};

struct file {
	struct inode *f_inode;
};

struct mm_struct;
struct task_struct {
	int pid, tgid;
	int exit_code;
	struct pid *thread_pid;
	struct task_struct *group_leader;
	__u64 start_boottime;	/* 5.5; real_start_time before */
	struct mm_struct *mm;
	void *files;
	struct signal_struct *signal;
	void *sighand;
	const void *cred;
};

struct mm_struct {
	unsigned long start_code;
	struct file *exe_file;
};

struct task_struct___5_4 {
	__u64 real_start_time;
};

struct bpf_array {
	void *pptrs[0];
};

/* Their values differ between kernels and configurations: looked up at load. */
enum pageflags { PG_slab = 0 };		/* up to 6.9 */
enum pagetype { PGTY_slab = 0, PGTY_large_kmalloc = 0 }; /* 6.12; in the top byte of page_type */

#pragma clang attribute pop

#endif

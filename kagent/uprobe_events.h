// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * uprobe_events.h - what uprobe.bpf.c and its loader share: the layout of the maps
 * and the settings that are fixed before the programs are loaded.
 *
 * Included by BPF code and by user-space code; uses only fixed-size types.
 */
#ifndef KAGENT_UPROBE_EVENTS_H
#define KAGENT_UPROBE_EVENTS_H

#include "site_totals.h"

#include <linux/types.h>

#define KU_MAX_DEPTH	127
#define KU_COMM_LEN	16
#define KU_STACK_WORDS	256	/* a power of two */
#define KU_MAX_SITES	65536
#define KU_TICK_SHIFT	8	/* lifetimes are in units of 256 ns */

/* What a probed function does; the cookie of its probe. */
enum ku_function {
	KU_MALLOC = 1,		/* p = f(size), operator new too */
	KU_CALLOC,		/* p = f(n, size) */
	KU_REALLOC,		/* p = f(p, size) */
	KU_REALLOCARRAY,	/* p = f(p, n, size) */
	KU_MEMALIGN,		/* p = f(align, size) */
	KU_POSIX_MEMALIGN,	/* error = f(&p, align, size) */
	KU_ALIGNED_ALLOC,
	KU_VALLOC,
	KU_PVALLOC,
	KU_NEW,
	KU_MMAP,		/* p = f(p, size, ...) */
	KU_MREMAP,		/* p = f(p, old size, size, flags, ...) */
	KU_MUNMAP,		/* error = f(p, size) */
	KU_MPROTECT,		/* error = f(p, size, access, ...) */
	KU_FREE,		/* f(p, ...); from here on returns don't matter */
	KU_DELETE,		/* the same: operator delete */
	KU_LOADED,		/* the loader's _dl_debug_state(): objects are about to be mapped, or are */
	KU_LOADED_ONCE,		/* the same of musl, which calls it when they are */
	KU_FUNCTIONS
};

/*
 * A process from one exec or fork to the next exec or its end is an image, with a
 * number that no other one gets. Key: its pid in the initial namespace.
 */
struct ku_process {
	__u64 start;		/* when it was made; CLOCK_MONOTONIC, ns */
	__u64 last_fork;	/* when it last forked, 0: never */
	__u64 start_code;	/* where the program's code begins */
	__u64 exe_inode, exe_device;	/* of the program, to tell it from others */
	__u32 image;
	__u32 parent;		/* the image that it was forked from, 0: none */
	__u32 pid;		/* as seen from kagent */
	__u32 on;		/* its allocations are recorded */
	__u32 used;		/* it has allocated or freed something */
	__u32 shares;		/* the memory is its parent's, the image too: vfork() */
	__u32 fresh;		/* executed, and not looked at yet */
	__u32 held;		/* KU_HELD_*: it has been stopped */
	__u32 loads;		/* KU_LOADED, so far */
	__u32 reserves;		/* it has mapped something without access */
};
#define KU_HELD_AT_EXEC	1u	/* before its first instruction */
#define KU_HELD_LOADED	2u	/* its libraries are mapped, none has run */
#define KU_HELD_AT_CALL	4u	/* at its first allocation */
#define KU_MAX_PROCESSES 16384

/*
 * Which function a probe is in: by its cookie, or, where many have one cookie, by the
 * address within its page, and the cookie says which of the tables holds.
 */
#define KU_PAGE		4096u
#define KU_TABLES	16u
#define KU_PLACES	(KU_PAGE * KU_TABLES)

/* An image that has ended. Key: its number. */
struct ku_ended {
	struct ku_process p;
	__u32 by_exec;
	__s32 status;		/* as of wait(2), unless by_exec */
};

/* Programs that need not be stopped before they run: their loader is probed. */
struct ku_program {
	__u64 inode, device;
};

/* Where a block is: an address in the memory of an image. */
struct ku_place {
	__u64 addr;
	__u32 image;
	__u32 when;		/* of heirlooms, to tell those at one address apart; else 0 */
};

/* A live block; key: its place. */
struct ku_block {
	__u64 time;		/* CLOCK_MONOTONIC, ns */
	__u64 site;		/* key of the sites map, 0: none */
	__u64 size;		/* as asked for */
	__u64 weight;		/* how many it stands for, * 2^16 */
	__u32 tid;
	__u16 mean;		/* the number of the one that has chosen it; 0: all are */
	__u16 flags;		/* KU_BLOCK_* */
};
#define KU_BLOCK_GONE	1u	/* no block: one that was inherited has been freed at `time` */
#define KU_BLOCK_OVER	2u	/* there was such a one before this */

/* A block that was live when its process forked, and is not any more. Key: its place. */
struct ku_heirloom {
	struct ku_block b;
	__u64 freed;
};

/* A call that has not returned yet, and room to build its stack. Key: tid. */
struct ku_thread {
	__u64 sp;		/* at the call, where the return address is; 0: none */
	__u64 back;		/* the return address */
	__u64 size;
	__u64 out;		/* posix_memalign: where the address will be */
	__u64 old_size;		/* mremap, munmap */
	__u64 old_addr;		/* realloc: taken out of the live blocks meanwhile, */
	struct ku_block old;	/* if it was there (time != 0) */
	__u64 countdown;	/* bytes to the next sample, */
	__u32 mean;		/* by this one; 0: there is none yet */
	__u32 chosen_by;	/* the call: by this one */
	__u32 function;		/* enum ku_function */
	__u32 passed_over;	/* not chosen: it hides the calls that it makes, and that is all */
	__u32 access;		/* mmap, mprotect: PROT_* */
	__u32 reserved;
	__u64 ip[KU_MAX_DEPTH];
	__u64 stack[KU_STACK_WORDS];	/* a part of the thread's stack */
};

/* The name that a thread had when it first allocated. Key: image << 32 | tid. */
struct ku_name {
	char comm[KU_COMM_LEN];
	__u64 time;
};

/* A stack; key: its hash. Frames are return addresses, innermost first. */
struct ku_site {
	__u64 first_time;
	struct site_totals totals;	/* of what was recorded; what that stands for: */
	__u64 weight_allocs, weight_frees;	/* * 2^16 */
	__u64 weight_alloc_bytes, weight_free_bytes;	/* * 2^8 */
	__s64 weight_live, weight_peak;	/* bytes * 2^8 */
	__u32 depth;
	__u32 flags;		/* KU_SITE_* */
	__u32 image, reserved;
	__u64 ip[KU_MAX_DEPTH];
};
#define KU_SITE_CUT	1u	/* deeper than asked for */
#define KU_SITE_WHOLE	2u	/* ends where unwind information says that there is no caller */

enum ku_loss {
	KU_LOSS_BLOCKS,		/* map of live blocks full */
	KU_LOSS_SITES,		/* map of sites full */
	KU_LOSS_CUT,		/* stack deeper than asked for */
	KU_LOSS_MISSED_FREE,	/* address allocated again while recorded as live */
	KU_LOSS_MISSED_RETURN,	/* a call whose return was not seen */
	KU_LOSS_UNMATCHED,	/* free of a block that isn't recorded */
	KU_LOSS_THREADS,	/* map of threads full */
	KU_LOSS_NAMES,		/* map of names full */
	KU_LOSS_READ,		/* posix_memalign's result could not be read */
	KU_LOSS_RING,		/* trace event dropped */
	KU_LOSS_REGIONS,	/* changes of mappings dropped: the ring was full */
	KU_LOSS_HEIRLOOMS,	/* map of blocks that children have inherited full */
	KU_LOSS_PROCESSES,	/* map of processes full, or one that kagent cannot see */
	KU_LOSS_SAMPLED_OUT,	/* not chosen: no loss, but counted */
	KU_LOSS_MAX
};
#define KU_LOSS_KEY(image, cause)	((image) << 5 | (cause))

/*
 * How to step out of a function, from this address on: a row of its call frame
 * information (DWARF 5, 6.4), as much of it as nearly all code needs.
 */
struct ku_row {
	__u32 pc;		/* from the begin of its object */
	__u16 cfa;		/* KU_CFA_*, or offset from rsp (KU_CFA_RBP: from rbp) */
	__s16 bp;		/* where rbp is saved, from the CFA; 0: it is not */
};
#define KU_CFA_RBP	1u	/* offsets are multiples of 8 */
#define KU_CFA_MAX	0xfff0u
#define KU_CFA_UNKNOWN	0xffffu	/* no row can say it: frame pointers are tried */
#define KU_CFA_OUTERMOST 0xfff7u /* there is no caller */

/* Mapped code with its rows, which are sorted. */
struct ku_object {
	__u64 start, end;
	__u32 first, count;	/* rows */
	__u32 quiet, reserved;	/* what it maps for itself is no event: the allocator, the C library */
};
#define KU_MAX_OBJECTS	65536

/*
 * Which objects an image has, sorted by address, as one word: a number that tells this
 * layout from others (17 bits: whoever uses one again clears the rows that are known),
 * how many there are (16) and the first (24). Key: the image.
 */
#define KU_LAYOUT_NUMBER(layout)	((layout) >> 40)
#define KU_LAYOUT_COUNT(layout)	((__u32)((layout) >> 24 & 0xffff))
#define KU_LAYOUT_FIRST(layout)	((__u32)((layout) & 0xffffff))
#define KU_LAYOUT(number, count, first)	((__u64)(number) << 40 | (__u64)(count) << 24 | (first))

/* A row that was looked up, by the low bits of the address. */
struct ku_known_row {
	__u64 whose;		/* address and number of the layout, mixed */
	__u64 row;		/* cfa and bp; above them what `whose` has there */
};
#define KU_CACHE_BITS	15
#define KU_LAYOUT_NUMBERS (1u << 17)
#define KU_MAX_ROWS	(1u << 24)

/* A live trace event. */
struct ku_event {
	__u64 time, addr, size, old_addr;
	__u32 tid;
	__u32 image, reserved;
	__u32 function;		/* enum ku_function */
};

/* What became of a range of addresses; and forks, between them. */
struct ku_region {
	__u64 time, entered;	/* of the call: when it had returned, and when it was made */
	__u64 addr, size;	/* mapped, or made accessible; size 0: nothing */
	__u64 old_addr, old_size;	/* not mapped any more */
	__u64 site;		/* of what was mapped; 0: none, or not wanted */
	__u32 image, tid;
	__u32 function;		/* enum ku_function, 0: a fork */
	__u32 wanted;		/* what was mapped is to be recorded */
	__u32 without_access;	/* what was mapped is reserved only */
	__u32 reserved;
};

/* Settings; constant once loaded. */
struct ku_config {
	__u64 min_size, max_size;	/* bytes, max 0: no limit */
	__u64 ns_ino;		/* the pid namespace that pid is of */
	__u32 pid;
	__u32 depth;
	__u8 weighs;		/* not all is recorded, or may be later */
	__u8 trace;		/* send events to the ring */
	__u8 by_place;		/* which function it is tells the address, not the cookie */
	__u8 children;		/* forked children are recorded */
	__u8 next_programs;	/* and what is executed */
	__u8 await_exec;	/* nothing is recorded before the process executes a program,
				   which is stopped at its first call until it was looked at */
	__u8 rows;		/* stacks are unwound by rows */
};

enum ku_sampling { KU_BY_BYTES = 1, KU_BY_COUNT };	/* == SAMPLE_BYTES, SAMPLE_COUNT */
#define KU_MAX_MEANS	16	/* == SESSION_MAX_MEANS */

/* What changes while the programs run. */
struct ku_state {
	__u64 mean[KU_MAX_MEANS];	/* bytes, or N of 1/N; [0] means all */
	__u32 means;		/* the number of the one in force */
	__u32 sampling;		/* enum ku_sampling, when means isn't 0 */
	__u32 on;		/* allocations are recorded */
	__u32 root_known;	/* the process that was asked for has been met */
	__u32 images;		/* how many there have been */
	__u32 changes;		/* of processes: forks, execs, ends, and halts */
	__u64 inherited;	/* forks up to this time have been dealt with */
};

#endif

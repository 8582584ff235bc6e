// SPDX-License-Identifier: MIT
/*
 * session_format.h - the session file: the only contract between those that
 * record (libleak.so, kagent) and those that report (leakreport, memleak).
 *
 * One file per traced process and one per kernel capture. The writer maps it
 * MAP_SHARED, so that everything recorded survives the death of the writer,
 * and a reader may look at it while it is being written.
 *
 *	page 0		struct session_header
 *	page 1..	extents of sections, in the order in which they were needed
 *
 * A section is an array of equal-sized entries that only ever grows. Its bytes
 * lie in one or more extents (header.extents[]): the n-th extent of a section
 * continues where the one before it stopped. Extents start and end on 4 KiB
 * boundaries. References between entries are indices or byte offsets within a
 * section, never pointers; index 0 of SECT_STACKS, SECT_RECORDS, SECT_SITES and
 * SECT_MODULES and offset 0 of SECT_STRINGS (an empty string) mean "none".
 *
 * How a reader stays right while the writer runs:
 *  - an extent is valid once its index is below header.extent_count;
 *  - entry i of an append-only section (stacks, frames, strings, modules,
 *    ksyms) is valid once i < section.used, which the writer advances (release)
 *    after the entry is complete;
 *  - section.used of records and sites is how many were ever handed out; each
 *    entry says itself whether it is in use (record: its address isn't zero;
 *    site: stack != 0);
 *  - a record is read as a seqlock: both words, what belongs to it (its extension,
 *    its thread), then both words again; equal words are a consistent record, and
 *    its seq changes whenever the place is given to another block;
 *  - counters of a site are independent words; a reader may see one event's
 *    count without its bytes. A writer killed between the two leaves at most
 *    one such event per thread.
 *
 * Everything in the file is untrusted input for a reader.
 *
 * Native endianness and word size of the writer; `endian` and `word_size` say
 * which. Readers refuse a foreign one. A reader accepts any minor version of
 * its major version, honours `header_size` and `entry_size` (entries may grow
 * at their end) and ignores sections and feature bits it does not know, unless
 * the bit is in SESSION_FEATURES_REQUIRED.
 */
#ifndef COMMON_SESSION_FORMAT_H
#define COMMON_SESSION_FORMAT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define SESSION_MAGIC		"\211LEAK\r\n\032"	/* 8 bytes, no NUL */
#define SESSION_MAJOR		2
#define SESSION_MINOR		1
#define SESSION_ENDIAN		0x01020304u
#define SESSION_PAGE		4096u

/* Feature bits. Bits 32..63 must be understood by a reader. */
#define SESSION_F_MMAP		(1ull << 0)	/* mmap regions are recorded too */
#define SESSION_F_TRACE		(1ull << 1)	/* SECT_TRACE is being written */
#define SESSION_F_FOREIGN_MALLOC (1ull << 2)	/* the program binds its own malloc past the shim */
#define SESSION_F_TOTALS	(1ull << 3)	/* single allocations are not listed: take totals per stack */
#define SESSION_FEATURES_REQUIRED 0xffffffff00000000ull

enum session_kind { SESSION_PROCESS = 1, SESSION_KERNEL = 2 };

enum session_state {
	SESSION_STARTING = 0,	/* header not complete yet */
	SESSION_LIVE = 1,	/* being written, or the writer was killed */
	SESSION_ENDED = 2,	/* closed in order; see end_reason */
};

enum session_end {
	SESSION_END_NONE = 0,
	SESSION_END_EXIT = 1,	/* exit(), return from main */
	SESSION_END_UEXIT = 2,	/* _exit(), _Exit() */
	SESSION_END_QEXIT = 3,	/* quick_exit() */
	SESSION_END_EXEC = 4,	/* the process became another program */
	SESSION_END_DETACH = 5,	/* the recorder was switched off */
	SESSION_END_STOPPED = 6,/* a capture (kagent) was ended by its user */
	SESSION_END_FORKED = 7,	/* --no-follow: a forked child stopped recording */
};

enum session_sampling {
	SAMPLE_ALL = 0,		/* every allocation */
	SAMPLE_BYTES = 1,	/* Poisson by bytes; mean in bytes */
	SAMPLE_COUNT = 2,	/* one in `mean` allocations, at random */
	SAMPLE_HASH = 3,	/* kernel: addresses whose hash falls in 1/mean */
};

enum session_section_id {
	SECT_NONE = 0,
	SECT_STRINGS = 1,	/* char: NUL-terminated, referred to by byte offset */
	SECT_MODULES = 2,	/* struct session_module */
	SECT_FRAMES = 3,	/* uint64_t: addresses of stacks, innermost first */
	SECT_STACKS = 4,	/* struct session_stack */
	SECT_RECORDS = 5,	/* struct session_record (processes) */
	SECT_SITES = 6,		/* struct session_site */
	SECT_THREADS = 7,	/* struct session_thread */
	SECT_TRACE = 8,		/* struct session_trace_event: a ring, see trace_head */
	SECT_TIMELINE = 9,	/* struct session_point */
	SECT_TIMES = 10,	/* uint64_t: ticks, relative to tick0, of the points of the timeline */
	SECT_KRECORDS = 11,	/* struct session_krecord (kernel) */
	SECT_KSYMS = 12,	/* struct session_ksym, ascending by addr (kernel) */
	SECT_CACHES = 13,	/* struct session_cache (kernel) */
	SECT_TASKS = 14,	/* struct session_task (kernel) */
	SECT_RECORD_THREADS = 15,/* uint16_t: index in SECT_THREADS for each of SECT_RECORDS */
	SECT_MAX = 16
};

/* What was dropped, by cause. Counts of events unless said otherwise. */
enum session_loss {
	LOSS_TABLE_FULL = 0,	/* no room for another live allocation */
	LOSS_STACKS_FULL = 1,	/* attributed to the overflow stack: max-stacks reached */
	LOSS_DEPTH_CUT = 2,	/* distinct stacks deeper than the depth setting */
	LOSS_REENTRANT = 3,	/* allocation from inside the recorder (signal handler) */
	LOSS_NO_SPACE = 4,	/* file system full, size limit: a section could not grow */
	LOSS_NO_MEMORY = 5,	/* private memory (shadow, thread state) refused */
	LOSS_BAD_ADDRESS = 6,	/* address beyond 47 bits, or no multiple of 8 */
	LOSS_MISSED_FREE = 7,	/* an address was allocated again while recorded as live */
	LOSS_UNWIND = 8,	/* stack ended early: no unwind information */
	LOSS_FORK_RACE = 9,	/* inherited blocks whose record had changed at the fork */
	LOSS_TRACE = 10,	/* trace events overwritten before they were read */
	LOSS_MAP_FULL = 11,	/* kernel: BPF map of live objects full */
	LOSS_STACK_MAP = 12,	/* kernel: no stack id to be had */
	LOSS_RECURSION = 13,	/* kernel: BPF program missed by recursion protection */
	LOSS_RING = 14,		/* kernel: ring buffer overflow */
	LOSS_UNMATCHED_FREE = 15,/* kernel: free of an object not seen allocated (no loss of leaks) */
	LOSS_THREADS = 16,	/* more threads than the thread table can name */
	LOSS_MODULES = 17,	/* modules that could not be recorded */
	LOSS_MISSED_RETURN = 18,/* uprobes: a call of the allocator whose return was not seen */
	LOSS_PHANTOMS = 19,	/* kernel: objects found freed that the session does not list */
	LOSS_PROCESSES = 20,	/* uprobes: processes for which there was no room */
	LOSS_MAX = 32
};

struct session_section {
	uint32_t entry_size;	/* bytes */
	uint32_t reserved;
	uint64_t used;		/* entries */
	uint64_t bytes;		/* sum of the lengths of the section's extents */
};
static_assert(sizeof(struct session_section) == 24, "format");

struct session_extent {
	uint32_t section;	/* enum session_section_id */
	uint32_t start;		/* file offset / SESSION_PAGE */
	uint32_t pages;		/* length / SESSION_PAGE */
	uint32_t reserved;
};
static_assert(sizeof(struct session_extent) == 16, "format");

/* session_header.reader: attached, and the watcher is expected within SESSION_READER_TICKS. */
#define SESSION_READER_AWAITED	0x3fffffffu
#define SESSION_READER_TICKS	30000000ull	/* 10 s at 3 GHz */

#define SESSION_MAX_EXTENTS	256
#define SESSION_MAX_MEANS	16

/*
 * Time. Ticks are an arbitrary, steady unit (x86-64: TSC >> 10). Two pairs of
 * (tick, CLOCK_MONOTONIC ns) turn them into nanoseconds:
 *	ns = ns0 + (tick - tick0) * (ns1 - ns0) / (tick1 - tick0)
 * The second pair moves forward while the writer runs: clock_seq is odd during
 * the update. Kernel sessions use tick == ns.
 */
struct session_clock {
	uint64_t tick0, ns0;
	uint64_t tick1, ns1;
	uint64_t realtime_ns0;	/* CLOCK_REALTIME at (tick0, ns0) */
	uint32_t seq;
	uint32_t reserved;
};
static_assert(sizeof(struct session_clock) == 48, "format");

struct session_header {
	char magic[8];
	uint16_t major, minor;
	uint32_t endian;
	uint32_t header_size;	/* bytes; sections start at or behind this */
	uint8_t word_size;	/* bytes of a pointer in the traced process */
	uint8_t kind;		/* enum session_kind */
	uint8_t sampling;	/* enum session_sampling */
	uint8_t mean_count;	/* entries of sample_mean in use */
	uint64_t features;
	uint32_t state;		/* enum session_state */
	uint32_t end_reason;	/* enum session_end */
	int32_t exit_status;	/* of exit(); meaningful with END_*EXIT */
	uint32_t extent_count;
	uint64_t file_used;	/* bytes of the file that extents and header occupy */

	/* Identity. Strings are offsets into SECT_STRINGS. */
	uint32_t pid, ppid;
	uint32_t uid, flags;	/* flags: reserved, 0 */
	uint64_t start_ticks;	/* field 22 of /proc/PID/stat: tells processes with one pid apart */
	uint32_t exe, cmdline;	/* cmdline: arguments joined by spaces */
	uint32_t comm, cgroup;
	uint32_t host, kernel;	/* uname nodename, release */
	uint32_t boot_id;	/* /proc/sys/kernel/random/boot_id */
	uint32_t parent_pid;	/* forked from this session, 0: not forked under the shim */
	uint64_t parent_start_ticks;
	uint64_t end_tick;	/* when state became ENDED; relative to tick0 */

	struct session_clock clock;

	/* Settings of the recording. */
	uint32_t depth;		/* frames kept per stack */
	uint32_t max_stacks;
	uint64_t min_size, max_size;	/* bytes; only these were recorded; 0: no limit */
	uint64_t older_ns;	/* default age filter for the report */
	uint64_t sample_mean[SESSION_MAX_MEANS]; /* bytes, or N of 1/N; index: REC_MEAN. [0] is 1: certain */

	uint64_t epoch;		/* current epoch of the module table */
	uint64_t trace_head;	/* events ever written to SECT_TRACE */
	uint64_t self_bytes;	/* recorder's private memory, bytes */
	uint64_t self_ns;	/* recorder's CPU time, estimate, ns */
	uint64_t sampled_out;	/* allocations not chosen by sampling or size filter; an estimate */
	uint32_t reader;	/* attached: the watcher's tid; its robust-futex bit says that it died */
	uint32_t watched_pid;	/* attached: pid as the watcher sees it, if that differs; else 0 */
	uint64_t reserved_space;/* bytes mapped without access (PROT_NONE), and not accessible
				   since: in no record. Minor 0: 0, and they are in records */
	uint64_t reserved[6];
	uint64_t loss[LOSS_MAX];

	struct session_section section[SECT_MAX];
};
static_assert(sizeof(struct session_header) <= SESSION_PAGE - 64, "format");

/* The extent table has the second page (and no other) to itself. */
#define SESSION_EXTENT_TABLE	SESSION_PAGE
#define SESSION_HEADER_SIZE	(2 * SESSION_PAGE)
static_assert(SESSION_MAX_EXTENTS * sizeof(struct session_extent) <= SESSION_PAGE, "format");

/*
 * A mapped object. A module that was unloaded and whose addresses another one
 * took over is told apart by epoch: a stack of epoch e belongs to the module
 * with first_epoch <= e < end_epoch (end_epoch 0: still mapped).
 */
#define SESSION_BUILD_ID_MAX	32
struct session_module {
	uint64_t start, end;	/* address range that is mapped, [start, end) */
	uint64_t bias;		/* address in memory - address in the file (link map l_addr) */
	uint32_t first_epoch, end_epoch;
	uint32_t path;		/* SECT_STRINGS */
	uint32_t build_id_len;
	uint8_t build_id[SESSION_BUILD_ID_MAX];
	uint32_t flags;		/* SESSION_MODULE_* */
	uint32_t reserved;
};
#define SESSION_MODULE_EXE	1u
#define SESSION_MODULE_VDSO	2u
static_assert(sizeof(struct session_module) == 80, "format");

/*
 * A distinct call stack. frames[] are return addresses, innermost (the caller of
 * the allocation function) first. Look up address - 1, except for frames whose
 * bit says that they were interrupted (the frame behind a signal frame), which
 * are exact: those are stored with STACK_EXACT_BIT set in the frame word.
 * Stack 1 is always the overflow stack (no frames): what could not be attributed.
 */
#define STACK_EXACT_BIT		(1ull << 63)
struct session_stack {
	uint64_t hash;
	uint64_t frames;	/* index of the first frame in SECT_FRAMES */
	uint32_t depth;		/* frames */
	uint32_t flags;		/* STACK_* */
	uint32_t epoch;		/* of the module table when it was first seen; kernel: see session_site */
	uint32_t reserved;
	int64_t live_bytes;	/* processes: folded from the sites; see session_site.high */
	int64_t peak_bytes;	/* highest live_bytes (weighted, when sampled) seen */
	uint64_t first_tick;
	uint64_t reserved2;
};
#define STACK_CUT		1u	/* deeper than the depth setting */
#define STACK_PARTIAL		2u	/* unwinding ended early */
#define STACK_OVERFLOW		4u
#define STACK_USER		8u	/* kernel sessions: a user-space stack */
#define STACK_GUESSED		16u	/* some frame has no unwind information: taken to keep a frame pointer */
static_assert(sizeof(struct session_stack) == 64, "format");

/*
 * A live allocation, in 16 bytes (session_record.h packs and unpacks):
 *
 *	addr_size	address / 8 (44 bits) | size (13) | kind (2) | REC_EXTENDED |
 *			REC_INHERITED | seq (3)
 *	time_stack	time (41) | REC_TIMED | stack index (22)
 *
 * What doesn't fit - a larger size, or a sampling mean other than 0 - is in a
 * second record, of kind REC_EXTENSION: then time_stack is its index, and it has
 *
 *	addr_size	mean (4) | size (53) | REC_EXTENSION | 0
 *	time_stack	as above
 *
 * The time is (tick - tick0) / REC_TICKS (on x86-64 at 3 GHz: 11 us), modulo
 * 2^41 (9 months there): younger blocks have their exact age, older ones appear
 * younger by a multiple of that. Without REC_TIMED, it may be a few milliseconds
 * too early, and no lifetime is measured by it. The thread is in SECT_RECORD_THREADS, at the same
 * index.
 *
 * addr_size is written last when a block is recorded, and its address is set to
 * zero first when it is freed. A free place has no address, and is not REC_EXTENSION.
 */
struct session_record {
	uint64_t addr_size;
	uint64_t time_stack;	/* free: for the recorder's own use */
};
static_assert(sizeof(struct session_record) == 16, "format");

#define REC_ALIGN_SHIFT		3		/* addresses are multiples of 8 ... */
#define REC_ADDR_BITS		47		/* ... below 2^47 */
#define REC_ADDR_SHIFT		20
#define REC_SIZE_SHIFT		7
#define REC_SIZE_MAX		0x1fffull	/* a larger size is in an extension */
#define REC_KIND_SHIFT		5
#define REC_KIND_MASK		0x60ull		/* enum session_rec_kind << REC_KIND_SHIFT */
#define REC_EXTENDED		0x10ull
#define REC_INHERITED		0x08ull		/* allocated by the parent before fork */
#define REC_SEQ_MASK		0x07ull		/* changes with each block the place holds */
#define REC_MEAN_SHIFT		60
#define REC_MEAN_MASK		(0xfull << REC_MEAN_SHIFT)	/* index into header.sample_mean */
#define REC_STACK_MASK		0x3fffffull
#define REC_TIMED		0x400000ull
#define REC_TIME_SHIFT		23
#define REC_TICK_SHIFT		5
#define REC_TICKS		(1ull << REC_TICK_SHIFT)	/* the unit of a record's time */
#define REC_TIME_SPAN		(1ull << (64 - REC_TIME_SHIFT + REC_TICK_SHIFT))	/* ticks */
#define REC_THREAD_OTHER	0xffffull

enum session_rec_kind {
	REC_HEAP = 0,		/* malloc family, bytes */
	REC_MMAP = 1,		/* mmap, size in 4 KiB pages */
	REC_NEW = 2,		/* C++ operator new of another allocator, bytes */
	REC_EXTENSION = 3,	/* no block: belongs to another record */
};

/*
 * Kernel sessions have one site per stack and slab cache, with the cache's index for a
 * thread slot; the same frames with another cache are another stack, whose epoch is
 * that index, because peaks and points of the timeline belong to stacks.
 *
 * Totals of one stack as seen by one thread slot: a stack has as many sites as
 * thread slots touched it, and its totals are their sums. Only the owner of the
 * slot writes (plain stores), so no cache line is shared on the hot path.
 *
 * Counts and bytes are of recorded events. With sampling on, w_* are their
 * unbiased estimates (sum of weights); with sampling off w_* stay 0.
 * Inherited blocks are in no counter (neither when freed in the child).
 *
 * Pending is the part of (allocated - freed) bytes not yet added to
 * session_stack.live_bytes, and high its highest value since then, which it had when
 * alloc_bytes - free_bytes was high_at (as if blocks were as large as what they stand for:
 * the recorder's own use), so
 *	live bytes of the stack = live_bytes + sum(pending)
 *	peak >= max(peak_bytes, live_bytes + high of each site)
 * exact with one thread; with several it is inexact by what the other threads had
 * pending (each less than 64 KiB, or about 1000 events of at most 256 bytes).
 *
 * lifetimes[b] counts freed blocks that lived [2^(b-1), 2^b) ticks (b = 0: less
 * than one tick; the last bucket: and longer), divided by 2^lifetime_shift. A
 * writer may time only some of the blocks, each counted for itself and for the
 * frees since the one before it: a distribution, whose sum need not
 * equal free_count. What lived less than REC_TICKS ticks, the unit of a record's
 * time, is all in bucket 0.
 */
#define SESSION_LIFETIMES	40
struct session_site {
	uint32_t stack;
	uint32_t thread_slot;
	uint64_t alloc_count, alloc_bytes;
	uint64_t free_count, free_bytes;
	int64_t high_at, high;
	uint16_t timed_events;	/* since live_bytes was brought up to date */
	uint16_t lifetimes_until;/* free_count, modulo 2^16, when lifetimes counted last */
	uint32_t lifetime_shift;
	/* (so far one cache line, which is all that most events touch) */
	double w_alloc_count, w_alloc_bytes;
	double w_free_count, w_free_bytes;
	uint32_t lifetimes[SESSION_LIFETIMES];
};
static_assert(sizeof(struct session_site) == 256, "format");

struct session_thread {
	uint32_t tid;
	uint32_t flags;		/* 1: alive */
	uint64_t start_tick;	/* relative to tick0 */
	char comm[16];		/* may lack a NUL */
};
static_assert(sizeof(struct session_thread) == 32, "format");

/*
 * Live trace (memleak -t): slot n % ring size holds event number n. A slot is
 * valid when its seq equals n + 1; seq is zero while it is written.
 */
struct session_trace_event {
	uint64_t seq;
	uint64_t tick;		/* relative to tick0 */
	uint64_t addr;
	uint64_t size;
	uint64_t old_addr;	/* realloc, mremap */
	uint32_t tid;
	uint32_t op;		/* enum session_trace_op */
};
static_assert(sizeof(struct session_trace_event) == 48, "format");

enum session_trace_op {
	TRACE_MALLOC = 1, TRACE_FREE, TRACE_CALLOC, TRACE_REALLOC, TRACE_MEMALIGN,
	TRACE_POSIX_MEMALIGN, TRACE_ALIGNED_ALLOC, TRACE_VALLOC, TRACE_PVALLOC,
	TRACE_NEW, TRACE_DELETE, TRACE_MMAP, TRACE_MUNMAP, TRACE_MREMAP,
	TRACE_KALLOC, TRACE_KFREE
};

/* One stack's outstanding total at one point of time (SECT_TIMES[time]). */
struct session_point {
	uint32_t time;
	uint32_t stack;
	uint64_t count;
	uint64_t bytes;
};
static_assert(sizeof(struct session_point) == 24, "format");

/* ---- kernel sessions ---------------------------------------------------- */

enum session_verdict {
	VERDICT_YOUNG = 0,	/* younger than the threshold: not checked */
	VERDICT_LIVE = 1,	/* found allocated in its slab */
	VERDICT_FREED = 2,	/* freed unseen: it is on a freelist */
	VERDICT_GONE = 3,	/* its slab is no slab of that cache any more */
	VERDICT_UNVERIFIED = 4,	/* could not be checked on this kernel */
};

struct session_krecord {
	uint64_t addr;		/* 0: not in use. percpu: the percpu offset */
	uint64_t tick;		/* CLOCK_MONOTONIC ns - ns0 */
	uint64_t size;		/* bytes the cache hands out */
	uint64_t req_size;	/* bytes requested, 0: unknown */
	uint64_t cgroup;	/* cgroup id, 0: unknown */
	uint32_t stack;		/* kernel stack */
	uint32_t user_stack;	/* 0: none */
	uint32_t cache;		/* SECT_CACHES */
	uint32_t task;		/* SECT_TASKS */
	uint32_t gfp;
	uint8_t verdict;	/* enum session_verdict */
	uint8_t kind;		/* enum session_krec_kind */
	uint16_t weight_mean;	/* index into header.sample_mean */
};
static_assert(sizeof(struct session_krecord) == 64, "format");

enum session_krec_kind { KREC_SLAB = 0, KREC_LARGE = 1, KREC_PAGES = 2, KREC_PERCPU = 3 };

struct session_ksym {
	uint64_t addr;		/* an address that occurs in SECT_FRAMES */
	uint64_t offset;	/* into the symbol */
	uint32_t name, module;	/* SECT_STRINGS; module 0: the kernel itself */
	uint32_t file, line;	/* if known */
};
static_assert(sizeof(struct session_ksym) == 32, "format");

struct session_cache {
	uint32_t name;		/* SECT_STRINGS */
	uint32_t aliases;	/* comma separated, 0: none */
	uint32_t object_size, slab_size;	/* bytes asked for; bytes an object takes */
	uint64_t active_start, active_end;	/* slabinfo's active objects at start and end; 0: not told */
	uint64_t tracked_start, tracked_end;	/* outstanding objects tracked, then */
	uint64_t allocs, frees;	/* events seen */
};
static_assert(sizeof(struct session_cache) == 64, "format");

struct session_task {
	uint32_t pid, tid;
	uint32_t flags;		/* 1: had exited at the end of the capture */
	uint32_t uid;
	uint64_t start_ns;	/* of the process, CLOCK_BOOTTIME; tells reused pids apart */
	char comm[16];
};
static_assert(sizeof(struct session_task) == 40, "format");

#endif

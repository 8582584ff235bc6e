// SPDX-License-Identifier: MIT
/*
 * report.h - one report over any number of sessions, of processes and of the kernel.
 *
 *	report_new -> report_add_file / report_add_session ... -> report_build
 *	-> print it (text.h, json.h, ...) -> report_free
 *
 * A site is a call stack after symbolization, together with the kind of memory
 * (and, in the kernel, the slab cache). The same code in several runs, processes
 * and hosts is one site, wherever it was mapped. What a printer gets is constant
 * and sorted: sites by outstanding bytes, unless asked for otherwise, largest first.
 *
 * Sizes in bytes, times in nanoseconds. Strings and arrays belong to the report (or
 * its symbolizer) and live as long as it does. Not thread-safe.
 */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "common/session_reader.h"
#include "report/symbolize.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct report;
struct regex_list;
struct suppressions;
struct baseline;

enum report_domain { DOMAIN_ANY = 0, DOMAIN_USER = 1, DOMAIN_KERNEL = 2 };

enum report_kind {
	KIND_HEAP, KIND_MMAP, KIND_NEW, KIND_SLAB, KIND_LARGE, KIND_PAGES, KIND_PERCPU,
	KIND_COUNT
};

/* What comes first; sites that are equal in it are sorted by outstanding bytes. */
enum report_sort { SORT_BYTES, SORT_COUNT, SORT_AGE, SORT_GROWTH, SORT_SUSPICION };

struct report_options {
	enum report_sort sort;
	bool older_set;		/* false: each session's own default */
	uint64_t older_ns;	/* only blocks at least this old */
	uint64_t min_size, max_size;	/* only blocks of these sizes; max 0: no limit */
	uint32_t pid;		/* only this process; 0: all */
	enum report_domain domain;
	const char *module;	/* only sites with a frame in this module; NULL: all */
	const struct regex_list *include, *exclude;	/* matched with functions, modules, files */
	struct suppressions *suppressions;	/* counts what they match */
	const struct baseline *baseline;	/* sites in it are known: counted apart */
	size_t top;		/* sites kept after ranking; 0: all */
	bool blocks;		/* keep the addresses of blocks, for --show-allocs */
	bool combined;		/* figures from totals per stack instead of single blocks: no ages, no
				   sizes, no filters on them */
	bool inherited_apart;	/* never count inherited blocks, also when the parent's session is
				   not among the sessions */
	symbol_progress_fn *progress;
	void *progress_arg;
};

/*
 * An amount of memory. Recorded events, and what they stand for: with sampling
 * off the same; with sampling on an unbiased estimate with its variance.
 */
struct figure {
	uint64_t count, bytes;
	double est_count, est_bytes;
	double var_count, var_bytes;
};

/* Blocks by age: bucket 0 is < 1 ms, bucket b is [2^(b-1), 2^b) ms, the last one open. */
#define REPORT_AGES 32

/* Lifetimes of freed blocks: bucket 0 is < 1 us, bucket b [2^(b-1), 2^b) us, the last one open. */
#define REPORT_LIFETIMES 48

/* What one thread of one process holds at a site. */
struct report_holding {
	uint32_t site;		/* index of the site; internal order until the report is built */
	uint32_t process;	/* index, see report_process() */
	uint32_t tid;		/* 0: unknown */
	uint32_t reserved;
	struct figure live;
	struct figure inherited; /* of live when counted, beside it when apart */
	uint64_t oldest_ns;
};

struct report_block {
	uint64_t addr, size;
	uint32_t site, process;
	uint64_t age_ns;
};

/* Totals over the whole run; only recorded events with sampling off. */
struct report_totals {
	struct figure allocated, freed;	/* no variances */
	int64_t peak_bytes;	/* sum over processes of each one's peak at this site */
};

/* Outstanding at a moment. */
struct report_point {
	uint32_t site, process;
	uint64_t realtime_ns;
	uint64_t count, bytes;
};

struct report_site {
	uint64_t fingerprint;	/* of kind, cache, modules and functions: stable across builds */
	enum report_kind kind;
	const char *cache;	/* kernel: slab cache; else NULL */
	const uint32_t *locations;	/* innermost first; see report_frames() */
	uint32_t depth;
	uint32_t flags;		/* STACK_CUT, STACK_PARTIAL, STACK_OVERFLOW */
	struct figure live;	/* outstanding */
	struct figure inherited;	/* of forked children; see report_options.inherited_apart */
	struct report_totals totals;
	uint64_t age_min_ns, age_max_ns;	/* of live blocks; min > max: none */
	uint32_t ages[REPORT_AGES];
	uint64_t lifetimes[REPORT_LIFETIMES];
	uint64_t verdicts[5];	/* kernel: live and phantom records by enum session_verdict */
	struct figure freed_unseen;	/* kernel: phantoms, not in live */
	const struct report_holding *holdings;	/* by process, then thread */
	size_t holding_count;
	const struct report_block *blocks;	/* when asked for; by address */
	size_t block_count;
	const struct report_point *points;	/* by process, then time */
	size_t point_count;
	double growth;		/* bytes per minute over the timeline, least squares; 0: no timeline */
	double score;		/* what it was sorted by */
};

/* What a process holds of one slab cache. */
struct report_cache_holding {
	uint32_t process;
	const char *cache;
	struct figure live;
};

/*
 * A program in one process, or a task that holds kernel memory. What a process holds
 * in the kernel outlives exec: it is its last program's.
 */
struct report_process {
	const char *host, *boot_id, *exe, *cmdline, *comm, *cgroup;
	uint32_t pid, ppid, parent_pid;
	uint64_t start_ticks, parent_start_ticks;
	uint64_t begin_ns;	/* CLOCK_REALTIME when its session began; 0: it has none */
	uint32_t last_image;	/* index: what it executed last, of the entries for one process */
	bool has_session;	/* a session of its own is among the inputs */
	uint64_t comm_ns;	/* without one: when it had that comm, by whatever clock it has */
	bool comm_main;		/* it is its main thread's */
	bool parent_present;	/* it was forked, and the parent's session is among them too */
	struct figure live[KIND_COUNT];
	struct figure inherited;
	size_t sites[KIND_COUNT];	/* with something outstanding */
	const struct report_cache_holding *caches;	/* most objects first */
	size_t cache_count;
};

/* One input. */
struct report_session {
	const char *name;
	uint32_t process;	/* index; kernel captures: a process named after the recorder */
	enum session_kind kind;
	enum session_state state;
	enum session_end end_reason;
	bool running;
	int exit_status;
	enum session_sampling sampling;
	double mean;		/* largest in use */
	uint32_t depth;
	uint64_t features;
	uint64_t min_size, max_size, older_ns;
	uint64_t start_realtime_ns, duration_ns;
	uint64_t self_bytes, self_ns, sampled_out;
	uint64_t reserved_space;	/* bytes mapped without access */
	uint64_t loss[LOSS_MAX];
	struct session_damage damage;
	struct figure allocated, freed;
	struct figure live;
};

/* Slab caches of kernel sessions, for the reconciliation with slabinfo. */
struct report_cache {
	const char *name, *aliases;
	struct session_cache counts;
	uint32_t session;
};

struct report_summary {
	struct figure live[KIND_COUNT];
	struct figure all;	/* outstanding: their sum */
	struct figure inherited;
	struct figure freed_unseen;	/* kernel: phantoms, not in live */
	struct figure suppressed;
	struct figure known;	/* in sites of the baseline */
	struct figure hidden;	/* in sites beyond options.top */
	size_t sites, sites_live;	/* with anything recorded; with anything outstanding, before top */
	size_t stacks;		/* distinct stacks before they were merged to sites */
	bool sampled;		/* some figure is an estimate */
	bool lossy;		/* some loss makes figures too small */
	bool damaged;		/* some session was truncated or corrupt */
	uint64_t loss[LOSS_MAX];
};

/* Does not own sym, which outlives it. Options are copied; NULL: defaults. NULL: no memory. */
struct report *report_new(struct symbolizer *sym, const struct report_options *options);
void report_free(struct report *r);	/* NULL is allowed */

/*
 * Registers a session. Files are read by report_build(); a borrowed session is
 * as of its last refresh, and must stay open until then. 0, -ENOMEM, or an error
 * of session_open(), and then the report is as before.
 */
int report_add_file(struct report *r, const char *path);
int report_add_session(struct report *r, struct session *s);

/* Reads, merges, symbolizes, filters and ranks. Once. 0 or -errno. */
int report_build(struct report *r);

const struct report_summary *report_summary(const struct report *r);
const struct report_options *report_options(const struct report *r);
const struct symbolizer *report_symbolizer(const struct report *r);

/* Sites in the order that was asked for; those without anything outstanding come last. NULL: no more. */
size_t report_site_count(const struct report *r);
const struct report_site *report_site(const struct report *r, size_t i);
const struct report_process *report_process(const struct report *r, size_t i);
size_t report_process_count(const struct report *r);
const struct report_session *report_session(const struct report *r, size_t i);
size_t report_session_count(const struct report *r);
const struct report_cache *report_cache(const struct report *r, size_t i);
size_t report_cache_count(const struct report *r);

enum report_domain report_kind_domain(enum report_kind kind);
const char *report_kind_name(enum report_kind kind);	/* "heap", "mmap", "slab", ... */

/* 95 % bound of an estimate: the figure is est +- this; 0 when it is exact. */
double figure_bound(double variance);
void figure_add(struct figure *sum, const struct figure *f);

#endif

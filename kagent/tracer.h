// SPDX-License-Identifier: MIT
/*
 * tracer.h - loads slab.bpf.c for a set of wishes, attaches it, and lets its
 * maps be read. Owns the BPF objects; one thread at a time.
 */
#ifndef KAGENT_TRACER_H
#define KAGENT_TRACER_H

#include "kagent/slab_events.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tracer;

struct tracer_settings {
	struct ka_config config;	/* the loader fills in what the kernel decides */
	bool pages, percpu;
	uint32_t max_objects, max_sites, max_ustacks;
	int cgroup_fd;			/* -1: all */
	const uint32_t *pids;		/* only these processes; none: all */
	size_t pid_count;
	bool children;			/* and those that they fork from now on */
	uint32_t ring_bytes;		/* of the trace ring, a power of two pages */
	const struct tracer_decision *decisions;
	size_t decision_count;		/* at most KA_MAX_CACHES are taken */
};

/*
 * Opens, loads and attaches. 0 or -errno, and then `why` is a sentence for the
 * user: what failed and what can be done about it.
 */
int tracer_start(const struct tracer_settings *settings, struct tracer **out,
		 char *why, size_t why_size);
void tracer_free(struct tracer *t);	/* NULL is allowed */

/* What is covered, one line without newline: "kmalloc, kmem_cache; bulk frees seen; ...". */
void tracer_describe(const struct tracer *t, char *text, size_t size);

/* Are frees in bulk seen (by fentry)? They emit no event. */
bool tracer_sees_bulk(const struct tracer *t);

/* Calls fn for every entry of a map. 0, what fn returned, or -errno. */
typedef int tracer_object_fn(void *arg, uint64_t addr, const struct ka_object *o);
typedef int tracer_site_fn(void *arg, uint64_t key, const struct ka_site *s);
typedef int tracer_ustack_fn(void *arg, uint64_t key, const struct ka_ustack *s);
typedef int tracer_cache_fn(void *arg, uint64_t cache, const struct ka_cache *c);
typedef int tracer_proc_fn(void *arg, const struct ka_proc_key *key, const struct ka_proc *p);
int tracer_each_object(struct tracer *t, tracer_object_fn *fn, void *arg);
int tracer_each_site(struct tracer *t, tracer_site_fn *fn, void *arg);
/* Only those that are new since the last call of either. */
int tracer_each_new_site(struct tracer *t, tracer_site_fn *fn, void *arg);
int tracer_each_ustack(struct tracer *t, tracer_ustack_fn *fn, void *arg);
int tracer_each_cache(struct tracer *t, tracer_cache_fn *fn, void *arg);
int tracer_each_proc(struct tracer *t, tracer_proc_fn *fn, void *arg);

/* A decision by name, for a cache that is yet to be met; pseudo caches are named by their id. */
struct tracer_decision {
	struct ka_name name;
	bool wanted;
};
void tracer_pseudo_name(uint64_t id, struct ka_name *name);

/* Marks a cache that was met as wanted or not. 0 or -errno. */
int tracer_decide(struct tracer *t, uint64_t cache, const struct ka_cache *c, bool wanted);

/*
 * Tells it the address of the cache that the kernel's caches come from ("kmem_cache"),
 * so that a cache at the address of one that was destroyed is met as a new one.
 */
void tracer_watch_caches(struct tracer *t, uint64_t cache_of_caches);

/* The counters of a cache, summed over the CPUs. 0 or -errno. */
int tracer_counts(struct tracer *t, uint32_t index, struct ka_cache_count *sum);

/* What was lost so far, by enum ka_loss, and events missed by recursion protection. */
void tracer_losses(struct tracer *t, uint64_t loss[KA_LOSS_MAX], uint64_t *recursion);

/*
 * Drops objects from the map of live ones, as if a free had been seen, and sets
 * addr of those to 0. The others were freed or allocated again meanwhile.
 * The number dropped or -errno (-ENOTSUP: not on this kernel).
 */
long tracer_forget(struct tracer *t, struct ka_forget *list, size_t count);

/* Reads trace events for at most timeout_ms; the number read or -errno. */
typedef int tracer_event_fn(void *arg, const struct ka_event *e);
int tracer_poll(struct tracer *t, int timeout_ms, tracer_event_fn *fn, void *arg);

/* Stops recording; the maps stay readable. */
void tracer_stop(struct tracer *t);

/* Asks slabs about objects; NULL when this kernel's slabs can't be read. */
struct verdicts;
struct verdicts *tracer_verdicts(struct tracer *t);

#endif

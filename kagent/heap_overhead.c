// SPDX-License-Identifier: MIT
/* heap_overhead.c - see heap_overhead.h. */
#define _GNU_SOURCE
#include "kagent/heap_overhead.h"

#include "kagent/stop.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL_NS	100000000u
#define CALLS		50		/* of our own function, */
#define TURNS		8		/* so often */
#define FIRST_MEAN	4096u		/* bytes: the step from "everything" to sampling */
#define MAX_FACTOR	8
#define WORTH		0.8		/* what a call of the programs is to cost of before, after a raise */

struct heap_overhead {
	struct heap_tracer *t;
	const char *command;
	unsigned int percent;
	int stats;			/* as long as it is open, the kernel keeps account */
	uint64_t trap_ns;
	double call_ns;			/* of the programs, before the mean was raised last; 0: never */
	bool done;			/* raising it further is not worth it */
	struct heap_cost last;
	uint64_t cpu_ns, at_ns;
};

/* ---- the trap ---------------------------------------------------------------------- */

/*
 * Two functions: what begins with an instruction that the kernel does itself (on x86-64 a
 * push, a nop) is reached by one trap, and goes on by a second one if it can't.
 */
static __attribute__((noinline)) void probed_simple(void)
{
	__asm__ volatile("nop" ::: "memory");
}

static __attribute__((noinline)) void probed_stepped(void)
{
#ifdef __x86_64__
	__asm__ volatile("test %%eax, %%eax" ::: "memory", "cc");
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/* Where it is in our own file. */
static int find_probed(struct allocator *a, void (*probed)(void))
{
	struct process_image self = { .pid = getpid() };
	uint64_t addr = (uintptr_t)probed;
	const struct image_module *m;
	int err = process_image_look(&self);

	m = err ? NULL : process_image_find(&self, addr);
	for (uint32_t i = 0; m && i < m->elf.segments; i++) {
		uint64_t at = addr - m->bias - m->elf.segment[i].vaddr;

		if (addr - m->bias < m->elf.segment[i].vaddr || at >= m->elf.segment[i].size)
			continue;
		a->probe[0] = (struct allocator_probe){ m->elf.segment[i].offset + at, KU_FREE, "probed" };
		a->count = 1;
	}
	process_image_free(&self);
	snprintf(a->path, sizeof(a->path), "/proc/self/exe");
	return a->count ? 0 : -ENOENT;
}

static uint64_t used_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000ull + (uint64_t)used.tv_nsec;
}

/* What one call takes, but for the program. */
static uint64_t time_calls(const struct heap_overhead *o, void (*probed)(void))
{
	struct heap_cost before, after;
	uint64_t begin, took, programs;

	heap_tracer_cost(o->t, &before);
	begin = used_ns();
	for (int i = 0; i < CALLS; i++)
		probed();
	took = used_ns() - begin;
	heap_tracer_cost(o->t, &after);
	programs = after.ns - before.ns;
	return took > programs ? (took - programs) / CALLS : 0;
}

/* The least, because others are at work, too. */
static uint64_t time_trap(const struct heap_overhead *o, void (*probed)(void))
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < TURNS; i++) {
		uint64_t took = time_calls(o, probed);

		if (took < least)
			least = took;
	}
	return least;
}

static int measure_trap(const struct heap_overhead *o, void (*probed)(void), uint64_t *ns)
{
	struct allocator *a = calloc(1, sizeof(*a));
	struct heap_probes *own = NULL;
	const pid_t self = getpid();
	int err = a ? find_probed(a, probed) : -ENOMEM;

	if (!err)
		err = heap_tracer_more_probes(o->t, &own);
	if (!err)
		err = heap_probes_attach(own, a, &self, 1);
	if (!err)
		*ns = time_trap(o, probed);
	heap_probes_free(own);
	free(a);
	return err;
}

/*
 * A block costs three: at the call, at its return (of the simple kind), and at the free.
 * One of the two functions is taken to begin in the simple way.
 */
static int measure_traps(struct heap_overhead *o)
{
	uint64_t simple, stepped;
	int err = measure_trap(o, probed_simple, &simple);

	if (!err)
		err = measure_trap(o, probed_stepped, &stepped);
	if (!err)
		o->trap_ns = (2 * simple + stepped) / 3;
	return err;
}

/* ---- control ----------------------------------------------------------------------- */

int heap_overhead_open(struct heap_tracer *t, unsigned int percent, const char *command,
		       struct heap_overhead **out)
{
	struct heap_overhead *o = calloc(1, sizeof(*o));
	int err = 0;

	if (!o)
		return -ENOMEM;
	o->t = t;
	o->command = command;
	o->percent = percent;
	o->stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (o->stats < 0)
		err = -errno;
	if (!err)
		err = measure_traps(o);
	if (err) {
		heap_overhead_free(o);
		return err;
	}
	heap_tracer_cost(t, &o->last);
	o->at_ns = stop_now_ns();
	*out = o;
	return 0;
}

void heap_overhead_free(struct heap_overhead *o)
{
	if (o && o->stats >= 0)
		close(o->stats);
	free(o);
}

/* Makes samples rarer by the factor by which they cost too much. */
static void raise_mean(const struct heap_overhead *o, double factor)
{
	struct heap_sampling s;
	uint64_t mean;

	heap_tracer_sampling(o->t, &s);
	if (s.last + 1 == SESSION_MAX_MEANS)
		return;
	mean = s.mean[s.last];
	if (factor > MAX_FACTOR)
		factor = MAX_FACTOR;
	if (!s.last) {
		mean = FIRST_MEAN;
		factor /= 2;
	}
	heap_tracer_raise(o->t, (uint64_t)((double)mean * (factor > 1 ? factor : 1)));
}

/* Samples may become rarer, but calls don't. */
static void give_up(struct heap_overhead *o, double percent)
{
	fprintf(stderr, "%s: --max-overhead %u: calling the probes costs some %.0f%% by itself, "
		"however little is recorded\n", o->command, o->percent, percent);
	o->done = true;
}

static void lower_cost(struct heap_overhead *o, double percent, double call_ns)
{
	if (o->call_ns > 0 && call_ns > WORTH * o->call_ns) {
		give_up(o, percent);
		return;
	}
	o->call_ns = call_ns;
	raise_mean(o, 2 * percent / o->percent);
}

void heap_overhead_control(struct heap_overhead *o, uint64_t cpu_ns)
{
	uint64_t now = stop_now_ns(), cpu = cpu_ns - o->cpu_ns, programs, runs, self;
	struct heap_cost cost;
	double percent;

	if (now - o->at_ns < INTERVAL_NS || cpu_ns <= o->cpu_ns)
		return;
	heap_tracer_cost(o->t, &cost);
	programs = cost.ns - o->last.ns;
	runs = cost.runs - o->last.runs;
	self = programs + runs * o->trap_ns;
	/* of what the processes alone would have used; clocks differ */
	percent = cpu > self ? 100.0 * (double)self / (double)(cpu - self) : 1000.0;
	o->last = cost;
	o->cpu_ns = cpu_ns;
	o->at_ns = now;
	heap_tracer_spent(o->t, cost.ns + cost.runs * o->trap_ns);
	if (percent > o->percent && runs && !o->done)
		lower_cost(o, percent, (double)programs / (double)runs);
}

// SPDX-License-Identifier: MIT
/* session_out.c - a capture's snapshot in the session format. */
#include "kagent/session_out.h"

#include "common/hash_index.h"
#include "common/io.h"
#include "common/session_writer.h"
#include "kagent/procinfo.h"
#include "kagent/totals_out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static_assert((int)KA_LIVE == VERDICT_LIVE && (int)KA_UNVERIFIED == VERDICT_UNVERIFIED, "format");
static_assert((int)KA_PERCPU == KREC_PERCPU, "format");

/* A task as it is told apart: the same thread may bear several names in its life. */
struct task {
	uint64_t start;
	uint32_t tgid, tid;
	char comm[KA_COMM_LEN];
	uint32_t index;
};

/* What a stack has outstanding. */
struct live {
	uint64_t count, bytes;
};

struct out {
	struct capture *c;
	struct session_writer *w;
	const struct session_facts *facts;
	uint32_t *cache;		/* by index of the capture: its index in the session */
	struct task *tasks;
	size_t task_count, task_room;
	struct hash_index task_index;
	struct live *live;		/* by stack index */
	size_t live_count;
	uint64_t ns0;
};

static void add_symbols(struct out *o)
{
	const struct symbols *s = capture_symbols(o->c);

	for (size_t i = 0; i < symbols_count(s); i++) {
		struct symbol sym = symbols_get(s, i);
		struct session_ksym k = {
			.addr = sym.addr, .offset = sym.offset,
			.name = session_writer_string(o->w, sym.name),
			.module = session_writer_string(o->w, sym.module),
		};

		if (sym.name[0])
			session_writer_ksym(o->w, &k);
	}
}

static void add_modules(struct out *o)
{
	const struct userspace *u = capture_userspace(o->c);

	for (size_t i = 0; i < userspace_module_count(u); i++) {
		struct user_module m = userspace_module(u, i);
		struct session_module s = {
			.start = m.start, .end = m.end, .bias = m.start,
			.path = session_writer_string(o->w, m.path), .build_id_len = m.build_id_len,
		};

		memcpy(s.build_id, m.build_id, m.build_id_len);
		session_writer_module(o->w, &s);
	}
}

static int add_caches(struct out *o)
{
	size_t n = capture_cache_count(o->c), i;

	o->cache = calloc(n + 1, sizeof(*o->cache));
	if (!o->cache)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		const struct capture_cache *k = capture_cache(o->c, i);
		struct session_cache s = {
			.name = session_writer_string(o->w, k->name),
			.aliases = session_writer_string(o->w, k->aliases),
			.object_size = k->object_size, .slab_size = k->slab_size,
			.tracked_start = k->tracked_start, .tracked_end = k->tracked,
			.allocs = k->allocs, .frees = k->frees,
		};

		if (!o->facts->some_tasks) {
			s.active_start = k->active_start;
			s.active_end = k->active_end;
		}
		if (k->wanted)
			o->cache[i] = session_writer_cache(o->w, &s);
	}
	return 0;
}

/* ---- sites ---- */

/*
 * The same frames are a stack of its own for each cache, told apart by the epoch, which
 * the kernel has no other use for: totals and points of the timeline name only stacks.
 */
static uint32_t stack_of(struct out *o, const struct capture_site *site)
{
	const struct ka_site *s = &site->s;
	uint32_t flags = s->flags & KA_SITE_CUT ? STACK_CUT : 0;

	return session_writer_stack(o->w, (const uint64_t *)s->ip, s->depth, flags,
				    o->cache[site->cache]);
}

/* One site per stack, which has one cache: the slot names it. */
static void add_sites(struct out *o)
{
	for (size_t i = 0; i < capture_site_count(o->c); i++) {
		const struct capture_site *cs = capture_site(o->c, i);
		const struct ka_site *k = &cs->s;
		struct session_stack *stack;
		struct session_site s = {
			.stack = stack_of(o, cs), .thread_slot = o->cache[cs->cache],
		};

		totals_out(&k->totals, &s);
		if (o->facts->sample)
			totals_weigh(&s, o->facts->sample);
		session_writer_site(o->w, &s);
		stack = session_writer_edit_stack(o->w, s.stack);
		if (stack) {
			stack->live_bytes += k->totals.live_bytes;
			stack->peak_bytes += k->totals.peak_bytes;
			if (!stack->first_tick || k->first_time - o->ns0 < stack->first_tick)
				stack->first_tick = k->first_time - o->ns0;
		}
	}
}

/* ---- objects ---- */

static bool same_task(const void *owner, uint32_t index, const void *key)
{
	const struct task *a = &((const struct out *)owner)->tasks[index], *b = key;

	return a->tgid == b->tgid && a->tid == b->tid && a->start == b->start &&
	       !memcmp(a->comm, b->comm, sizeof(a->comm));
}

static uint32_t add_task(struct out *o, const struct task *t)
{
	struct session_task s = {
		.pid = t->tgid, .tid = t->tid, .start_ns = t->start, .uid = process_uid(t->tgid),
		.flags = process_exited(t->tgid, t->start) ? 1 : 0,
	};

	memcpy(s.comm, t->comm, sizeof(s.comm));
	return session_writer_task(o->w, &s);
}

static uint32_t task_of(struct out *o, const struct ka_object *k)
{
	struct task t = { .start = k->task_start, .tgid = k->tgid, .tid = k->tid };
	uint64_t hash;
	uint32_t i;

	memcpy(t.comm, k->comm, sizeof(t.comm));
	hash = hash_bytes(t.comm, sizeof(t.comm),
			  hash_mix(t.start ^ ((uint64_t)t.tgid << 32 | t.tid)));
	i = hash_index_find(&o->task_index, hash, same_task, o, &t);
	if (i != HASH_INDEX_NONE)
		return o->tasks[i].index;
	if (o->task_count == o->task_room) {
		size_t room = o->task_room ? o->task_room * 2 : 64;
		struct task *bigger = realloc(o->tasks, room * sizeof(*bigger));

		if (!bigger)
			return 0;
		o->tasks = bigger;
		o->task_room = room;
	}
	t.index = add_task(o, &t);
	o->tasks[o->task_count] = t;
	if (!hash_index_add(&o->task_index, hash, o->task_count))
		o->task_count++;
	return t.index;
}

static uint32_t user_stack_of(struct out *o, uint64_t key)
{
	const struct ka_ustack *u = key ? capture_find_ustack(o->c, key) : NULL;

	if (!u || !u->depth)
		return 0;
	return session_writer_stack(o->w, (const uint64_t *)u->ip, u->depth, STACK_USER, 0);
}

static void add_object(struct out *o, const struct capture_object *k)
{
	const struct capture_site *site = capture_find_site(o->c, k->o.site);
	struct session_krecord r = {
		.addr = k->addr, .tick = k->o.time > o->ns0 ? k->o.time - o->ns0 : 0,
		.size = k->o.size, .req_size = k->o.req_size, .cgroup = k->o.cgroup,
		.stack = site ? stack_of(o, site) : 1,
		.user_stack = user_stack_of(o, k->o.ustack),
		.cache = o->cache[k->cache], .task = task_of(o, &k->o), .gfp = k->o.gfp,
		.verdict = k->verdict, .kind = k->o.kind,
	};

	session_writer_krecord(o->w, &r);
}

static void add_objects(struct out *o)
{
	for (size_t i = 0; i < capture_object_count(o->c); i++)
		add_object(o, capture_object(o->c, i));
	for (size_t i = 0; i < capture_phantom_count(o->c); i++)
		add_object(o, capture_phantom(o->c, i));
}

/* ---- timeline ---- */

/*
 * The stacks of sites come first in each session, in an order that never changes, so
 * that the points of earlier snapshots fit this one's stacks.
 */
static int count_live(struct out *o)
{
	o->live_count = session_writer_count(o->w, SECT_STACKS);
	o->live = calloc(o->live_count + 1, sizeof(*o->live));
	if (!o->live)
		return -ENOMEM;
	for (size_t i = 0; i < capture_object_count(o->c); i++) {
		const struct capture_object *k = capture_object(o->c, i);
		const struct capture_site *site = capture_find_site(o->c, k->o.site);
		uint32_t stack = site ? stack_of(o, site) : 1;

		if (stack < o->live_count) {
			o->live[stack].count += o->facts->sample ? o->facts->sample : 1;
			o->live[stack].bytes += (uint64_t)k->o.size *
						(o->facts->sample ? o->facts->sample : 1);
		}
	}
	return 0;
}

static int add_timeline(struct out *o)
{
	struct timeline *t = capture_timeline(o->c);
	int err = count_live(o), begun;

	if (err)
		return err;
	begun = timeline_begin(t, capture_snapshot_ns(o->c) - o->ns0);
	for (size_t i = 1; i < o->live_count && begun == 1 && !err; i++)
		if (o->live[i].count)
			err = timeline_add(t, i, o->live[i].count, o->live[i].bytes);
	timeline_write(t, o->w);
	return begun < 0 ? begun : err;
}

/* ---- header ---- */

static void add_losses(struct out *o)
{
	static const struct {
		enum ka_loss from;
		enum session_loss to;
	} map[] = {
		{ KA_LOSS_OBJECTS, LOSS_MAP_FULL },
		{ KA_LOSS_SITES, LOSS_STACKS_FULL },
		{ KA_LOSS_STACK, LOSS_STACK_MAP },
		{ KA_LOSS_CUT, LOSS_DEPTH_CUT },
		{ KA_LOSS_MISSED_FREE, LOSS_MISSED_FREE },
		{ KA_LOSS_UNMATCHED, LOSS_UNMATCHED_FREE },
		{ KA_LOSS_RING, LOSS_TRACE },
		{ KA_LOSS_USTACK, LOSS_STACKS_FULL },
		{ KA_LOSS_CACHES, LOSS_TABLE_FULL },
	};
	uint64_t loss[KA_LOSS_MAX], recursion;

	tracer_losses(capture_tracer(o->c), loss, &recursion);
	for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++)
		session_writer_loss(o->w, map[i].to, loss[map[i].from]);
	session_writer_loss(o->w, LOSS_RECURSION, recursion);
	session_writer_loss(o->w, LOSS_PHANTOMS, capture_unlisted_phantoms(o->c));
}

static uint32_t file_string(struct session_writer *w, const char *path)
{
	uint32_t index = 0;
	char *text;
	size_t len;

	if (io_read_file(path, 4096, &text, &len))
		return 0;
	text[strcspn(text, "\n")] = 0;
	index = session_writer_string(w, text);
	free(text);
	return index;
}

static void fill_header(struct out *o)
{
	struct session_header *h = session_writer_header(o->w);
	const struct session_facts *f = o->facts;
	struct utsname u;
	char exe[4096];
	ssize_t len;

	len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[len > 0 ? len : 0] = 0;
	uname(&u);
	h->exe = session_writer_string(o->w, exe);
	h->comm = session_writer_string(o->w, "kagent");
	h->cmdline = session_writer_string(o->w, f->cmdline);
	h->host = session_writer_string(o->w, u.nodename);
	h->kernel = session_writer_string(o->w, u.release);
	h->boot_id = file_string(o->w, "/proc/sys/kernel/random/boot_id");
	h->pid = getpid();
	h->ppid = getppid();
	h->uid = getuid();
	h->depth = f->depth;
	h->older_ns = f->older_ns;
	h->min_size = f->min_size;
	h->max_size = f->max_size;
	h->sampling = f->sample ? SAMPLE_HASH : SAMPLE_ALL;
	h->mean_count = 1;
	h->sample_mean[0] = f->sample ? f->sample : 1;
}

/* Ticks are nanoseconds of CLOCK_MONOTONIC since the start of the capture. */
static void set_clock(struct out *o)
{
	struct session_header *h = session_writer_header(o->w);
	uint64_t now = capture_snapshot_ns(o->c);

	h->clock.realtime_ns0 -= h->clock.ns0 - o->ns0;
	h->clock.tick0 = h->clock.ns0 = o->ns0;
	h->clock.tick1 = h->clock.ns1 = now;
}

int session_out_write(struct capture *c, const struct session_facts *facts, const char *path)
{
	struct out o = { .c = c, .facts = facts, .ns0 = capture_start_ns(c) };
	int err = session_writer_create(path, SESSION_KERNEL, SESSION_WRITE_WHOLE, &o.w);

	if (err)
		return err;
	set_clock(&o);
	fill_header(&o);
	add_symbols(&o);
	add_modules(&o);
	err = add_caches(&o);
	if (!err) {
		add_sites(&o);
		err = add_timeline(&o);
	}
	if (!err) {
		add_objects(&o);
		add_losses(&o);
		err = session_writer_finish(o.w, SESSION_END_STOPPED);
	} else {
		session_writer_abort(o.w);
	}
	free(o.cache);
	free(o.tasks);
	free(o.live);
	hash_index_free(&o.task_index);
	return err;
}

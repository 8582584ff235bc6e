// SPDX-License-Identifier: MIT
/* heap_session.c - see heap_session.h: the maps of uprobe.bpf.c in the session format. */
#define _GNU_SOURCE
#include "kagent/heap_session.h"

#include "common/array.h"
#include "common/hash_index.h"
#include "kagent/totals_out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What the tracer calls a site or a thread, and what the session does. */
struct named {
	uint64_t key, time;	/* time: of threads, to tell those of one tid apart */
	uint32_t stack, site, thread;
	int64_t live;		/* of sites: bytes, in the session's stack */
};

struct table {
	struct named *list;
	size_t count, room;
	struct hash_index index;
};

struct heap_session {
	struct session_writer *w;
	struct heap_tracer *t;
	struct process_image *p;
	struct heap_session_facts facts;
	struct table sites, threads;
	struct table inherited;	/* sites of the parent's, that inherited blocks are of */
	uint64_t ns0;
	size_t cut;
	struct heap_sampling sampling;
	uint64_t unmatched;	/* frees of blocks that the process did not have */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static uint64_t tick_of(const struct heap_session *s, uint64_t ns)
{
	return ns > s->ns0 ? (ns - s->ns0) >> KU_TICK_SHIFT : 0;
}

/* ---- tables ------------------------------------------------------------------ */

static bool same_key(const void *owner, uint32_t index, const void *key)
{
	return ((const struct table *)owner)->list[index].key == *(const uint64_t *)key;
}

static struct named *find(const struct table *t, uint64_t key)
{
	uint32_t i = hash_index_find(&t->index, hash_mix(key), same_key, t, &key);

	return i == HASH_INDEX_NONE ? NULL : &t->list[i];
}

static struct named *add(struct table *t, uint64_t key)
{
	struct named *bigger = array_grow(t->list, t->count, &t->room, sizeof(*bigger));

	if (!bigger)
		return NULL;
	t->list = bigger;
	if (hash_index_add(&t->index, hash_mix(key), (uint32_t)t->count))
		return NULL;
	bigger[t->count] = (struct named){ .key = key };
	return &bigger[t->count++];
}

/* ---- threads ----------------------------------------------------------------- */

static int take_name(void *arg, const void *key, const void *value)
{
	struct heap_session *s = arg;
	uint32_t tid = (uint32_t)*(const uint64_t *)key;
	const struct ku_name *name = value;
	struct named *n = find(&s->threads, tid);
	struct session_thread t = { .tid = tid, .start_tick = tick_of(s, name->time) };

	if (*(const uint64_t *)key >> 32 != s->facts.image || (n && n->time == name->time))
		return 0;
	if (!n)
		n = add(&s->threads, tid);
	if (!n)
		return -ENOMEM;
	n->time = name->time;
	memcpy(t.comm, name->comm, sizeof(t.comm));
	n->thread = REC_THREAD_OTHER;
	if (session_writer_count(s->w, SECT_THREADS) < REC_THREAD_OTHER)
		n->thread = session_writer_thread(s->w, &t);
	else
		session_writer_loss(s->w, LOSS_THREADS, 1);
	return 0;
}

/* ---- sites ------------------------------------------------------------------- */

/*
 * Does the stack end early, because code in it has no unwind information (or there is none
 * on this machine) and keeps no frame pointers? By frame pointers alone it cannot be told
 * of longer ones.
 */
static bool looks_cut(const struct heap_session *s, const struct ku_site *site)
{
	const struct image_module *first, *last;

	if (site->flags & (KU_SITE_CUT | KU_SITE_WHOLE))
		return false;
	if (process_image_is_root(s->p, site->ip[site->depth - 1]))
		return false;
	if (heap_tracer_uses_rows(s->t))
		return true;
	first = process_image_find(s->p, site->ip[0]);
	last = process_image_find(s->p, site->ip[site->depth - 1]);
	/* from the C library, which calls main() and begins threads? */
	return site->depth == 1 || (site->depth == 2 && (first == last || !last || last->program));
}

/* Frames in no file are values that were taken for addresses: nothing beyond them is right. */
static uint32_t believable(const struct heap_session *s, const struct ku_site *site)
{
	uint32_t n = 1;

	while (n < site->depth && process_image_find(s->p, site->ip[n] - 1))
		n++;
	return n;
}

static uint32_t put_stack(struct heap_session *s, const uint64_t *ip, uint32_t depth,
			  uint32_t flags, uint64_t first_time)
{
	uint32_t index = session_writer_stack(s->w, ip, depth, flags, s->p->epoch);
	struct session_stack *stack = session_writer_edit_stack(s->w, index);

	if (stack && !stack->first_tick)
		stack->first_tick = tick_of(s, first_time);
	return index;
}

static struct named *new_site(struct heap_session *s, uint64_t key, const struct ku_site *site)
{
	uint32_t flags = site->flags & KU_SITE_CUT ? STACK_CUT : 0;
	uint32_t depth = s->p->count ? believable(s, site) : site->depth;
	struct named *n = add(&s->sites, key);
	struct session_site blank = { .stack = 0 };

	if (!n)
		return NULL;
	if (looks_cut(s, site)) {
		flags |= STACK_PARTIAL;
		s->cut++;
		session_writer_loss(s->w, LOSS_UNWIND, 1);
	}
	n->stack = put_stack(s, (const uint64_t *)site->ip, depth, flags, site->first_time);
	blank.stack = n->stack;
	blank.thread_slot = (uint32_t)s->sites.count;
	n->site = session_writer_site(s->w, &blank);
	return n;
}

static int add_inherited_stacks(struct heap_session *s)
{
	const struct heap_inherited *h = s->facts.inherited;

	for (size_t i = 0; h && i < h->stack_count; i++) {
		const struct inherited_stack *from = &h->stacks[i];
		struct named *n = add(&s->inherited, from->key);

		if (!n)
			return -ENOMEM;
		n->stack = put_stack(s, from->ip, from->depth,
				     from->flags & KU_SITE_CUT ? STACK_CUT : 0, from->first_time);
	}
	return 0;
}

static void weigh(struct session_site *to, const struct ku_site *from)
{
	to->w_alloc_count = (double)from->weight_allocs / 65536;
	to->w_alloc_bytes = (double)from->weight_alloc_bytes / 256;
	to->w_free_count = (double)from->weight_frees / 65536;
	to->w_free_bytes = (double)from->weight_free_bytes / 256;
}

/* A site of regions has been counted by user space; each stands for itself. */
static void add_regions(const struct heap_session *s, uint64_t key, struct ku_site *site)
{
	const struct site_totals *t = s->facts.regions ?
		heap_regions_totals(s->facts.regions, key) : NULL;

	if (!t)
		return;
	site->totals = *t;
	site->weight_allocs = t->allocs << 16;
	site->weight_frees = t->frees << 16;
	site->weight_alloc_bytes = t->alloc_bytes << 8;
	site->weight_free_bytes = t->free_bytes << 8;
	site->weight_live = (int64_t)((uint64_t)t->live_bytes << 8);
	site->weight_peak = (int64_t)((uint64_t)t->peak_bytes << 8);
}

static int take_counted_site(struct heap_session *s, uint64_t hash, const struct ku_site *from)
{
	struct named *n = find(&s->sites, hash);
	struct session_site *to;
	struct session_stack *stack;
	int64_t live, peak;
	bool sampled;

	if (!n)
		n = new_site(s, hash, from);
	to = n ? session_writer_edit_site(s->w, n->site) : NULL;
	stack = n ? session_writer_edit_stack(s->w, n->stack) : NULL;
	if (!to || !stack)
		return -ENOMEM;
	sampled = s->sampling.kind != SAMPLE_ALL;
	live = sampled ? from->weight_live >> 8 : from->totals.live_bytes;
	peak = sampled ? from->weight_peak >> 8 : from->totals.peak_bytes;
	stack->live_bytes += live - n->live;
	n->live = live;
	if (stack->peak_bytes < peak)
		stack->peak_bytes = peak;
	totals_out(&from->totals, to);
	if (sampled)
		weigh(to, from);
	return 0;
}

static int take_site(void *arg, const void *key, const void *value)
{
	struct heap_session *s = arg;
	const struct ku_site *from = value;
	struct ku_site site;

	if (from->image != s->facts.image || !from->depth)
		return 0;	/* another process's, or just being made */
	site = *from;
	add_regions(s, *(const uint64_t *)key, &site);
	if (!site.totals.allocs)
		return 0;	/* (what mprotect made accessible was not reserved) */
	return take_counted_site(s, *(const uint64_t *)key, &site);
}

/* ---- blocks ------------------------------------------------------------------- */

static void put_record(struct heap_session *s, uint64_t addr, const struct ku_block *from,
		       const struct named *site, enum session_rec_kind kind, bool inherited)
{
	const struct named *thread = find(&s->threads, from->tid);
	const struct session_block b = {
		.addr = addr, .size = from->size, .tick = tick_of(s, from->time),
		.stack = site ? site->stack : 1,
		.thread = thread ? thread->thread : REC_THREAD_OTHER, .kind = (uint8_t)kind,
		.mean = (uint8_t)from->mean, .inherited = inherited,
	};

	session_writer_record(s->w, &b);
}

static void put_block(struct heap_session *s, uint64_t addr, const struct ku_block *from,
		      const struct named *site, bool inherited)
{
	put_record(s, addr, from, site, REC_HEAP, inherited);
}

/* A mark where an inherited block was freed; what else was freed there was never known. */
static void take_mark(struct heap_session *s, uint64_t addr, const struct ku_block *b)
{
	struct inherited_block *known = s->facts.inherited ?
		heap_inherited_find(s->facts.inherited, addr) : NULL;

	if (known)
		known->gone = true;
	else if (b->flags & KU_BLOCK_GONE)
		s->unmatched++;
}

static int take_block(void *arg, const void *key, const void *value)
{
	struct heap_session *s = arg;
	const struct ku_place *at = key;
	const struct ku_block *b = value;

	if (at->image != s->facts.image)
		return 0;
	if (b->flags & (KU_BLOCK_GONE | KU_BLOCK_OVER))
		take_mark(s, at->addr, b);
	if (!(b->flags & KU_BLOCK_GONE))
		put_block(s, at->addr, b, find(&s->sites, b->site), false);
	return 0;
}

static void put_inherited(struct heap_session *s)
{
	const struct heap_inherited *h = s->facts.inherited;

	for (size_t i = 0; h && i < h->count; i++)
		if (!h->list[i].gone)
			put_block(s, h->list[i].addr, &h->list[i].b,
				  find(&s->inherited, h->list[i].b.site), true);
}

static void put_regions(struct heap_session *s)
{
	const struct heap_regions *r = s->facts.regions;
	uint64_t reserved = 0;

	for (size_t i = 0; r && i < r->count; i++) {
		const struct heap_region *g = &r->list[i];
		const struct ku_block b = { .time = g->time, .size = g->end - g->start,
					    .tid = g->tid };

		if (g->reserved)
			reserved += b.size;
		else
			put_record(s, g->start, &b,
				   find(g->inherited ? &s->inherited : &s->sites, g->site),
				   REC_MMAP, g->inherited);
	}
	session_writer_header(s->w)->reserved_space = reserved;
}

/* ---- header ------------------------------------------------------------------- */

static void set_losses(struct heap_session *s)
{
	static const struct {
		enum ku_loss from;
		enum session_loss to;
	} map[] = {
		{ KU_LOSS_BLOCKS, LOSS_MAP_FULL },
		{ KU_LOSS_SITES, LOSS_STACKS_FULL },
		{ KU_LOSS_CUT, LOSS_DEPTH_CUT },
		{ KU_LOSS_MISSED_FREE, LOSS_MISSED_FREE },
		{ KU_LOSS_MISSED_RETURN, LOSS_MISSED_RETURN },
		{ KU_LOSS_READ, LOSS_MISSED_RETURN },
		{ KU_LOSS_UNMATCHED, LOSS_UNMATCHED_FREE },
		{ KU_LOSS_THREADS, LOSS_NO_MEMORY },
		{ KU_LOSS_NAMES, LOSS_THREADS },
		{ KU_LOSS_RING, LOSS_TRACE },
		{ KU_LOSS_REGIONS, LOSS_RING },
		{ KU_LOSS_HEIRLOOMS, LOSS_FORK_RACE },
		{ KU_LOSS_PROCESSES, LOSS_PROCESSES },
	};
	struct session_header *h = session_writer_header(s->w);
	uint64_t loss[KU_LOSS_MAX];

	heap_tracer_losses(s->t, s->facts.image, loss);
	for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++)
		h->loss[map[i].to] = 0;
	for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++)
		h->loss[map[i].to] += loss[map[i].from];
	h->loss[LOSS_UNMATCHED_FREE] += s->unmatched;
	h->sampled_out = loss[KU_LOSS_SAMPLED_OUT];
}

/* Means only grow in number: a block names the one that has chosen it. */
static void set_sampling(struct heap_session *s)
{
	struct session_header *h = session_writer_header(s->w);

	heap_tracer_sampling(s->t, &s->sampling);
	h->sampling = (uint8_t)s->sampling.kind;
	h->mean_count = (uint8_t)(s->sampling.last + 1);
	memcpy(h->sample_mean, s->sampling.mean, sizeof(h->sample_mean));
	h->sample_mean[0] = 1;
	h->self_ns = heap_tracer_self_ns(s->t);
}

static void set_clock(struct heap_session *s)
{
	struct session_clock *c = &session_writer_header(s->w)->clock;

	c->tick1 = tick_of(s, now_ns()) + 1;
	c->ns1 = s->ns0 + (c->tick1 << KU_TICK_SHIFT);
}

static void fill_header(struct heap_session *s)
{
	struct session_header *h = session_writer_header(s->w);
	const struct heap_session_facts *f = &s->facts;

	s->ns0 = h->clock.ns0;
	h->clock.tick0 = 0;
	h->depth = f->depth;
	h->max_stacks = KU_MAX_SITES;
	h->min_size = f->min_size;
	h->max_size = f->max_size;
	h->cmdline = session_writer_string(s->w, f->cmdline);
	h->parent_pid = f->parent_pid;
	h->parent_start_ticks = f->parent_start_ticks;
	process_image_identify(s->p, s->w);
	set_clock(s);
}

/* ---- the whole ------------------------------------------------------------------ */

/* But for the writer. */
static void free_session(struct heap_session *s)
{
	struct table *tables[] = { &s->sites, &s->threads, &s->inherited };

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		free(tables[i]->list);
		hash_index_free(&tables[i]->index);
	}
	free(s);
}

int heap_session_open(const char *path, const struct heap_session_facts *facts,
		      struct heap_tracer *t, struct process_image *p, struct heap_session **out)
{
	struct heap_session *s = calloc(1, sizeof(*s));
	int err = s ? session_writer_create(path, SESSION_PROCESS, SESSION_WRITE_LIVE, &s->w) :
		      -ENOMEM;

	if (err) {
		free(s);
		return err;
	}
	s->facts = *facts;
	s->t = t;
	s->p = p;
	fill_header(s);
	err = add_inherited_stacks(s);
	if (err)
		session_writer_abort(s->w);
	if (err)
		free_session(s);
	else
		*out = s;
	return err;
}

void heap_session_trace(struct heap_session *s, const struct ku_event *e)
{
	static const uint32_t ops[KU_FUNCTIONS] = {
		[KU_MALLOC] = TRACE_MALLOC, [KU_CALLOC] = TRACE_CALLOC, [KU_REALLOC] = TRACE_REALLOC,
		[KU_REALLOCARRAY] = TRACE_REALLOC, [KU_MEMALIGN] = TRACE_MEMALIGN,
		[KU_POSIX_MEMALIGN] = TRACE_POSIX_MEMALIGN,
		[KU_ALIGNED_ALLOC] = TRACE_ALIGNED_ALLOC, [KU_VALLOC] = TRACE_VALLOC,
		[KU_PVALLOC] = TRACE_PVALLOC, [KU_NEW] = TRACE_NEW, [KU_FREE] = TRACE_FREE,
		[KU_DELETE] = TRACE_DELETE, [KU_MMAP] = TRACE_MMAP, [KU_MUNMAP] = TRACE_MUNMAP,
		[KU_MREMAP] = TRACE_MREMAP,
	};
	const struct session_trace_event event = {
		.tick = tick_of(s, e->time), .addr = e->addr, .size = e->size,
		.old_addr = e->old_addr, .tid = e->tid,
		.op = e->function < KU_FUNCTIONS ? ops[e->function] : 0,
	};

	session_writer_trace(s->w, &event);
}

int heap_session_sync_trace(struct heap_session *s)
{
	set_clock(s);
	return session_writer_sync_trace(s->w);
}

uint64_t heap_session_start_ticks(const struct heap_session *s)
{
	return session_writer_header(s->w)->start_ticks;
}

/* Sites and threads before the blocks that name them. */
static int take_all(struct heap_session *s)
{
	int err = heap_tracer_names(s->t, take_name, s);

	set_sampling(s);

	process_image_write(s->p, s->w);
	if (!err)
		err = heap_tracer_sites(s->t, take_site, s);
	session_writer_clear_records(s->w);
	s->unmatched = 0;
	if (!err)
		err = heap_tracer_blocks(s->t, take_block, s);
	put_inherited(s);
	put_regions(s);
	set_losses(s);
	set_clock(s);
	return err;
}

int heap_session_sync(struct heap_session *s)
{
	int err = take_all(s);

	return err ? err : session_writer_sync(s->w);
}

int heap_session_close(struct heap_session *s, enum session_end reason, int status)
{
	struct session_header *h = session_writer_header(s->w);
	int err = take_all(s), last;

	h->end_tick = h->clock.tick1;
	h->exit_status = status;
	last = session_writer_finish(s->w, reason);
	free_session(s);
	return err ? err : last;
}

void heap_session_cut(const struct heap_session *s, size_t *cut, size_t *all)
{
	*cut = s->cut;
	*all = s->sites.count;
}

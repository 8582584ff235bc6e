// SPDX-License-Identifier: MIT
/* heap_tracer.c - see heap_tracer.h. */
#define _GNU_SOURCE
#include "kagent/heap_tracer.h"

#include "uprobe.skel.h"
#include "kagent/features.h"
#include "kagent/heap_probes.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_THREADS	32768
#define RING_BYTES	(1u << 22)

struct heap_tracer {
	struct uprobe *skel;
	struct heap_probes *probes;
	struct trace_events *events;	/* NULL: children are not followed */
	struct heap_probes_facts how;
	size_t probe_count;
	uint64_t self_ns;
	int no_events;			/* errno */
	bool by_rows;
	uint32_t max_rows;
	struct ring_buffer *ring, *bell, *regions;
	int wakes;			/* epoll: the bell, and changes of mappings */
	heap_region_fn *region_fn;
	void *region_arg;
	heap_event_fn *event_fn;
	void *event_arg;
	char last_words[256];
};

/* ---- what libbpf says, kept for the message ----------------------------------- */

static_assert(KU_MAX_MEANS == SESSION_MAX_MEANS && (int)KU_BY_BYTES == SAMPLE_BYTES &&
	      (int)KU_BY_COUNT == SAMPLE_COUNT, "format");

static struct heap_tracer *speaking;

static int keep_words(enum libbpf_print_level level, const char *format, va_list args)
{
	struct heap_tracer *t = speaking;

	if (getenv("KAGENT_DEBUG"))
		return vfprintf(stderr, format, args);
	if (level == LIBBPF_WARN && t && !t->last_words[0]) {
		vsnprintf(t->last_words, sizeof(t->last_words), format, args);
		t->last_words[strcspn(t->last_words, "\n")] = 0;
	}
	return 0;
}

static int explain(const struct heap_tracer *t, const char *what, int err, char *why, size_t size)
{
	char cause[320];

	features_why_not(cause, sizeof(cause));
	snprintf(why, size, "%s: %s%s%s", what, strerror(-err), cause[0] || t->last_words[0] ? "; " : "",
		 cause[0] ? cause : t->last_words);
	return err;
}

/* ---- loading ------------------------------------------------------------------- */

/* What may be asked of the kernel: the most first. */
struct attempt {
	enum heap_probes_way way;
	bool rows;		/* stacks by unwind rows: loops of any length (5.17) */
	bool lazy;		/* entries of maps are made when they are needed (6.1) */
};

static void configure(struct heap_tracer *t, const struct heap_tracer_settings *s,
		      const struct attempt *a)
{
	struct ku_config *cfg = (struct ku_config *)&t->skel->rodata->cfg;
	bool sessions = a->way == PROBES_SESSION;
	struct uprobe *k = t->skel;
	struct stat ns;

	*cfg = (struct ku_config){
		.min_size = s->min_size, .max_size = s->max_size, .depth = s->depth,
		.pid = (uint32_t)s->pid, .weighs = s->sampling.kind != SAMPLE_ALL || s->max_overhead,
		.trace = s->trace, .await_exec = s->await_exec, .rows = a->rows,
		.by_place = a->way == PROBES_INHERITED,
		.children = a->way == PROBES_INHERITED && s->children,
		.next_programs = a->way == PROBES_INHERITED && s->next_programs,
	};
	k->bss->state.images = 1;
	k->bss->state.means = s->sampling.last;
	k->bss->state.sampling = s->sampling.kind;
	memcpy(k->bss->state.mean, s->sampling.mean, sizeof(s->sampling.mean));
	if (!stat("/proc/self/ns/pid", &ns))
		cfg->ns_ino = ns.st_ino;
	bpf_map__set_max_entries(k->maps.live, s->max_blocks);
	bpf_map__set_max_entries(k->maps.heirlooms, s->max_blocks);
	bpf_map__set_max_entries(k->maps.sites, KU_MAX_SITES);
	bpf_map__set_max_entries(k->maps.threads, MAX_THREADS);
	bpf_map__set_max_entries(k->maps.names, MAX_THREADS);
	bpf_map__set_max_entries(k->maps.ring, s->trace ? RING_BYTES : (uint32_t)getpagesize());
	bpf_map__set_max_entries(k->maps.rows, a->rows ? t->max_rows : 1);
	bpf_program__set_autoload(k->progs.on_session, sessions);
	bpf_program__set_autoload(k->progs.on_free, sessions);
	bpf_program__set_autoload(k->progs.on_enter, !sessions);
	bpf_program__set_autoload(k->progs.on_leave, !sessions);
	if (sessions) {
		bpf_program__set_expected_attach_type(k->progs.on_session, t->how.types.session);
		bpf_program__set_expected_attach_type(k->progs.on_free, t->how.types.plain);
	}
}

/* Elements that are made when they are needed can be had in a probe since 6.1. */
static void preallocate(struct uprobe *k)
{
	struct bpf_map *maps[] = { k->maps.live, k->maps.sites, k->maps.threads, k->maps.names,
				   k->maps.heirlooms };
	static const uint32_t most[] = { 1u << 20, 16384, 2048, 8192, 1u << 17 };

	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++) {
		bpf_map__set_map_flags(maps[i], 0);
		if (bpf_map__max_entries(maps[i]) > most[i])
			bpf_map__set_max_entries(maps[i], most[i]);
	}
}

static int load(struct heap_tracer *t, const struct heap_tracer_settings *s,
		const struct attempt *a)
{
	int err;

	t->skel = uprobe__open();
	if (!t->skel)
		return -errno;
	configure(t, s, a);
	if (!a->lazy)
		preallocate(t->skel);
	err = uprobe__load(t->skel);
	if (err) {
		uprobe__destroy(t->skel);
		t->skel = NULL;
	}
	t->how.way = a->way;
	t->by_rows = a->rows;
	return err;
}

static bool is_offered(const struct heap_tracer *t, enum heap_probes_way way)
{
	switch (way) {
	case PROBES_INHERITED:
		return t->events;
	case PROBES_SESSION:
		return t->how.types.session && t->how.types.plain && !getenv("KAGENT_NO_UPROBE_MULTI");
	default:
		return true;
	}
}

static int load_best(struct heap_tracer *t, const struct heap_tracer_settings *s)
{
	static const struct attempt attempts[] = {
		{ PROBES_INHERITED, true, true }, { PROBES_INHERITED, true, false },
		{ PROBES_SESSION, true, true }, { PROBES_SINGLE, true, true },
		{ PROBES_SINGLE, true, false }, { PROBES_SINGLE, false, false },
	};
	bool rows = t->max_rows && !getenv("KAGENT_NO_UNWIND_ROWS");
	int err = -ENOTSUP;

	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts) && err && err != -EPERM; i++) {
		struct attempt a = attempts[i];

		a.rows &= rows;
		if (is_offered(t, a.way))
			err = load(t, s, &a);
	}
	return err;
}

static int on_ring_event(void *arg, void *data, size_t size)
{
	struct heap_tracer *t = arg;

	if (size >= sizeof(struct ku_event) && t->event_fn)
		t->event_fn(t->event_arg, data);
	return 0;
}

static int attach_tracepoint(const struct bpf_program *prog, struct bpf_link **link)
{
	*link = bpf_program__attach(prog);
	return *link ? 0 : -errno;
}

static int attach_process(struct heap_tracer *t)
{
	struct uprobe *k = t->skel;
	int err = attach_tracepoint(k->progs.on_exit, &k->links.on_exit);

	if (!err)
		err = attach_tracepoint(k->progs.on_exec, &k->links.on_exec);
	/* also for vfork(), whose child works on its parent's heap */
	return err ? err : attach_tracepoint(k->progs.on_fork, &k->links.on_fork);
}

static int on_region(void *arg, void *data, size_t size)
{
	struct heap_tracer *t = arg;

	if (size >= sizeof(struct ku_region) && t->region_fn)
		t->region_fn(t->region_arg, data);
	return 0;
}

static int on_bell(void *arg, void *data, size_t size)
{
	(void)arg, (void)data, (void)size;
	return 0;
}

static int watch(struct heap_tracer *t, const struct ring_buffer *ring)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(t->wakes, EPOLL_CTL_ADD, ring_buffer__epoll_fd(ring), &ev) ? -errno : 0;
}

static int make_rings(struct heap_tracer *t, bool trace)
{
	int err;

	t->bell = ring_buffer__new(bpf_map__fd(t->skel->maps.bell), on_bell, t, NULL);
	if (t->bell)
		t->regions = ring_buffer__new(bpf_map__fd(t->skel->maps.regions), on_region, t, NULL);
	if (t->regions && trace)
		t->ring = ring_buffer__new(bpf_map__fd(t->skel->maps.ring), on_ring_event, t, NULL);
	if (!t->regions || (trace && !t->ring))
		return -errno;
	t->wakes = epoll_create1(EPOLL_CLOEXEC);
	if (t->wakes < 0)
		return -errno;
	err = watch(t, t->bell);
	return err ? err : watch(t, t->regions);
}

static int start(struct heap_tracer *t, const struct heap_tracer_settings *s,
		 struct code_layouts *layouts, char *why, size_t size)
{
	int err;

	uprobe_link_types(&t->how.types);
	if (s->children || s->next_programs)
		t->no_events = -trace_events_open(&t->events);
	/* whole pages, as they are mapped */
	t->max_rows = (s->max_rows + 511) & ~511u;
	err = load_best(t, s);
	if (!err && t->by_rows)
		err = code_layouts_begin(layouts, t->skel, t->max_rows);
	if (err)
		return explain(t, "can't load the BPF programs", err, why, size);
	err = make_rings(t, s->trace);
	if (err)
		return explain(t, "no ring buffer", err, why, size);
	t->how.skel = t->skel;
	t->how.events = t->events;
	err = heap_probes_new(&t->how, &t->probes);
	if (!err)
		err = attach_process(t);
	return err ? explain(t, "can't attach to the kernel's tracepoints", err, why, size) : 0;
}

/* One descriptor for each thread and event; one for each link. */
static void raise_limits(void)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY }, files;

	setrlimit(RLIMIT_MEMLOCK, &unlimited);	/* counts before 5.11 only */
	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

int heap_tracer_open(const struct heap_tracer_settings *settings, struct code_layouts *layouts,
		     struct heap_tracer **out, char *why, size_t why_size)
{
	struct heap_tracer *t = calloc(1, sizeof(*t));
	int err;

	if (!t) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	speaking = t;
	libbpf_set_print(keep_words);
	raise_limits();
	err = start(t, settings, layouts, why, why_size);
	if (err)
		heap_tracer_free(t);
	else
		*out = t;
	return err;
}

/* ---- probes ---------------------------------------------------------------------- */

int heap_tracer_attach(struct heap_tracer *t, const struct allocator *a, const pid_t *pids,
		       size_t count, char *why, size_t why_size)
{
	int err = heap_probes_attach(t->probes, a, pids, count);

	t->probe_count = heap_probes_count(t->probes);
	if (err == -ENOENT || err == -ESRCH)
		snprintf(why, why_size, "the file with its malloc is not mapped any more: the process "
			 "has ended, or executed another program; try again");
	else if (err)
		explain(t, "can't probe the allocator's functions", err, why, why_size);
	return err;
}

void heap_tracer_start(struct heap_tracer *t)
{
	__atomic_store_n(&t->skel->bss->state.on, 1, __ATOMIC_RELEASE);
}

void heap_tracer_stop(struct heap_tracer *t)
{
	__atomic_store_n(&t->skel->bss->state.on, 0, __ATOMIC_RELEASE);
	heap_probes_free(t->probes);
	t->probes = NULL;
	trace_events_free(t->events);
	t->events = NULL;
}

void heap_tracer_free(struct heap_tracer *t)
{
	if (!t)
		return;
	if (t->skel)
		heap_tracer_stop(t);
	trace_events_free(t->events);
	ring_buffer__free(t->ring);
	ring_buffer__free(t->bell);
	ring_buffer__free(t->regions);
	if (t->wakes > 0)
		close(t->wakes);
	uprobe__destroy(t->skel);
	speaking = NULL;
	free(t);
}

/* ---- how it records ------------------------------------------------------------------ */

size_t heap_tracer_probes(const struct heap_tracer *t)
{
	return t->probe_count;
}

bool heap_tracer_uses_rows(const struct heap_tracer *t)
{
	return t->by_rows;
}

bool heap_tracer_follows(const struct heap_tracer *t, int *why)
{
	*why = t->no_events;
	return t->how.way == PROBES_INHERITED;
}

void heap_tracer_sampling(const struct heap_tracer *t, struct heap_sampling *out)
{
	const struct ku_state *state = (const struct ku_state *)&t->skel->bss->state;

	out->last = __atomic_load_n(&state->means, __ATOMIC_ACQUIRE);
	out->kind = out->last ? (enum session_sampling)state->sampling : SAMPLE_ALL;
	memcpy(out->mean, state->mean, sizeof(out->mean));
}

void heap_tracer_raise(struct heap_tracer *t, uint64_t mean)
{
	struct ku_state *state = (struct ku_state *)&t->skel->bss->state;
	uint32_t next = state->means + 1;

	if (next == KU_MAX_MEANS)
		return;
	if (!state->means)
		state->sampling = KU_BY_BYTES;
	state->mean[next] = mean;
	__atomic_store_n(&state->means, next, __ATOMIC_RELEASE);
}

void heap_tracer_cost(const struct heap_tracer *t, struct heap_cost *out)
{
	const struct uprobe *k = t->skel;
	const struct bpf_program *progs[] = { k->progs.on_enter, k->progs.on_leave,
					      k->progs.on_session, k->progs.on_free };

	*out = (struct heap_cost){ 0, 0 };
	for (size_t i = 0; i < sizeof(progs) / sizeof(*progs); i++) {
		struct bpf_prog_info info = { .type = 0 };
		uint32_t len = sizeof(info);

		if (bpf_program__fd(progs[i]) < 0 ||
		    bpf_obj_get_info_by_fd(bpf_program__fd(progs[i]), &info, &len))
			continue;
		out->ns += info.run_time_ns;
		out->runs += info.run_cnt;
	}
}

void heap_tracer_spent(struct heap_tracer *t, uint64_t ns)
{
	t->self_ns = ns;
}

uint64_t heap_tracer_self_ns(const struct heap_tracer *t)
{
	return t->self_ns;
}

int heap_tracer_more_probes(struct heap_tracer *t, struct heap_probes **out)
{
	return heap_probes_new(&t->how, out);
}

/* ---- processes ---------------------------------------------------------------------- */

int heap_tracer_bell(const struct heap_tracer *t)
{
	return t->wakes;
}

uint32_t heap_tracer_changes(struct heap_tracer *t)
{
	ring_buffer__consume(t->bell);
	return __atomic_load_n(&t->skel->bss->state.changes, __ATOMIC_ACQUIRE);
}

int heap_tracer_processes(const struct heap_tracer *t, map_entry_fn *fn, void *arg)
{
	return map_walk(t->skel->maps.processes, fn, arg);
}

int heap_tracer_ended(const struct heap_tracer *t, map_entry_fn *fn, void *arg)
{
	return map_walk(t->skel->maps.ended, fn, arg);
}

void heap_tracer_know(struct heap_tracer *t, const struct ku_process *p)
{
	struct ku_program program = { p->exe_inode, p->exe_device };
	uint32_t yes = 1;

	bpf_map_update_elem(bpf_map__fd(t->skel->maps.programs), &program, &yes, BPF_ANY);
}

void heap_tracer_inherited(struct heap_tracer *t, uint64_t ns)
{
	__atomic_store_n(&t->skel->bss->state.inherited, ns, __ATOMIC_RELEASE);
}

/* ---- what was recorded ---------------------------------------------------------------- */

int heap_tracer_blocks(const struct heap_tracer *t, map_entry_fn *fn, void *arg)
{
	return map_walk(t->skel->maps.live, fn, arg);
}

int heap_tracer_heirlooms(const struct heap_tracer *t, map_entry_fn *fn, void *arg)
{
	return map_walk(t->skel->maps.heirlooms, fn, arg);
}

int heap_tracer_sites(const struct heap_tracer *t, map_entry_fn *fn, void *arg)
{
	return map_walk(t->skel->maps.sites, fn, arg);
}

int heap_tracer_site(const struct heap_tracer *t, uint64_t key, struct ku_site *site)
{
	return bpf_map_lookup_elem(bpf_map__fd(t->skel->maps.sites), &key, site) ? -ENOENT : 0;
}

int heap_tracer_names(const struct heap_tracer *t, map_entry_fn *fn, void *arg)
{
	return map_walk(t->skel->maps.names, fn, arg);
}

void heap_tracer_losses(const struct heap_tracer *t, uint32_t image, uint64_t loss[KU_LOSS_MAX])
{
	for (uint32_t i = 0; i < KU_LOSS_MAX; i++) {
		uint32_t key = KU_LOSS_KEY(image, i);

		if (bpf_map_lookup_elem(bpf_map__fd(t->skel->maps.losses), &key, &loss[i]))
			loss[i] = 0;
	}
}

/* ---- dropping it ------------------------------------------------------------------------ */

struct drop {
	int fd;
	uint32_t image;
	uint64_t before;
};

/* (Walks in batches may be shortened by what is deleted meanwhile: none of it is the caller's.) */
static int drop_place(void *arg, const void *key, const void *value)
{
	const struct drop *d = arg;

	(void)value;
	if (((const struct ku_place *)key)->image == d->image)
		bpf_map_delete_elem(d->fd, key);
	return 0;
}

static int drop_site(void *arg, const void *key, const void *value)
{
	const struct drop *d = arg;

	if (((const struct ku_site *)value)->image == d->image)
		bpf_map_delete_elem(d->fd, key);
	return 0;
}

static int drop_name(void *arg, const void *key, const void *value)
{
	const struct drop *d = arg;

	(void)value;
	if (*(const uint64_t *)key >> 32 == d->image)
		bpf_map_delete_elem(d->fd, key);
	return 0;
}

static int drop_heirloom(void *arg, const void *key, const void *value)
{
	const struct drop *d = arg;

	if (((const struct ku_heirloom *)value)->freed < d->before)
		bpf_map_delete_elem(d->fd, key);
	return 0;
}

int heap_tracer_drop(struct heap_tracer *t, uint32_t image)
{
	const struct uprobe *k = t->skel;
	struct drop d = { .fd = bpf_map__fd(k->maps.live), .image = image };
	int err = map_walk(k->maps.live, drop_place, &d);

	d.fd = bpf_map__fd(k->maps.sites);
	if (!err)
		err = map_walk(k->maps.sites, drop_site, &d);
	d.fd = bpf_map__fd(k->maps.names);
	if (!err)
		err = map_walk(k->maps.names, drop_name, &d);
	for (uint32_t i = 0; i < KU_LOSS_MAX; i++) {
		uint32_t key = KU_LOSS_KEY(image, i);

		bpf_map_delete_elem(bpf_map__fd(k->maps.losses), &key);
	}
	bpf_map_delete_elem(bpf_map__fd(k->maps.ended), &image);
	return err;
}

int heap_tracer_drop_heirlooms(struct heap_tracer *t, uint64_t freed_before)
{
	struct drop d = { .fd = bpf_map__fd(t->skel->maps.heirlooms), .before = freed_before };

	return map_walk(t->skel->maps.heirlooms, drop_heirloom, &d);
}

int heap_tracer_regions(struct heap_tracer *t, heap_region_fn *fn, void *arg)
{
	t->region_fn = fn;
	t->region_arg = arg;
	return ring_buffer__consume(t->regions);
}

int heap_tracer_poll(struct heap_tracer *t, heap_event_fn *fn, void *arg)
{
	t->event_fn = fn;
	t->event_arg = arg;
	return t->ring ? ring_buffer__consume(t->ring) : 0;
}

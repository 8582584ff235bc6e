// SPDX-License-Identifier: MIT
/* heap_tracer.c - see heap_tracer.h. */
#define _GNU_SOURCE
#include "kagent/heap_tracer.h"

#include "uprobe.skel.h"
#include "kagent/features.h"
#include "kagent/uprobe_link.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_THREADS	32768
#define RING_BYTES	(1u << 22)
#define KNOWN_ROWS_BYTES ((size_t)8 << KU_CACHE_BITS)
#define MAX_LINKS	(4 * ALLOCATOR_PROBES)

struct heap_tracer {
	struct uprobe *skel;
	pid_t pid;
	bool sessions;
	struct uprobe_link_types types;
	struct bpf_link *links[MAX_LINKS];	/* one by one */
	int fds[16];				/* many at once */
	size_t link_count, fd_count, probes;
	bool by_rows;
	struct ku_row *rows;
	uint64_t *known_rows;
	uint32_t max_rows, row_count;
	struct ring_buffer *ring;
	heap_event_fn *event_fn;
	void *event_arg;
	bool await_exec;
	char last_words[256];
};

/* ---- what libbpf says, kept for the message ----------------------------------- */

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
	bool sessions;		/* one program sees call and return (6.13) */
	bool rows;		/* stacks by unwind rows: loops of any length (5.17) */
	bool lazy;		/* entries of maps are made when they are needed (6.1) */
};

static void configure(struct heap_tracer *t, const struct heap_tracer_settings *s,
		      const struct attempt *a)
{
	struct ku_config *cfg = (struct ku_config *)&t->skel->rodata->cfg;
	struct uprobe *k = t->skel;
	struct stat ns;

	*cfg = (struct ku_config){
		.min_size = s->min_size, .max_size = s->max_size, .depth = s->depth,
		.sample = s->sample > 1 ? s->sample : 0, .pid = (uint32_t)s->pid,
		.trace = s->trace, .session = a->sessions, .await_exec = s->await_exec,
		.rows = a->rows,
	};
	if (!stat("/proc/self/ns/pid", &ns)) {
		cfg->ns_dev = ns.st_dev;
		cfg->ns_ino = ns.st_ino;
	}
	bpf_map__set_max_entries(k->maps.live, s->max_blocks);
	bpf_map__set_max_entries(k->maps.sites, KU_MAX_SITES);
	bpf_map__set_max_entries(k->maps.threads, MAX_THREADS);
	bpf_map__set_max_entries(k->maps.names, MAX_THREADS);
	bpf_map__set_max_entries(k->maps.ring, s->trace ? RING_BYTES : (uint32_t)getpagesize());
	bpf_map__set_max_entries(k->maps.rows, a->rows ? t->max_rows : 1);
	bpf_program__set_autoload(k->progs.on_session, a->sessions);
	bpf_program__set_autoload(k->progs.on_enter, !a->sessions);
	bpf_program__set_autoload(k->progs.on_leave, !a->sessions);
	if (a->sessions) {
		bpf_program__set_expected_attach_type(k->progs.on_session, t->types.session);
		bpf_program__set_expected_attach_type(k->progs.on_free, t->types.plain);
	}
}

/* Elements that are made when they are needed can be had in a probe since 6.1. */
static void preallocate(struct uprobe *k)
{
	struct bpf_map *maps[] = { k->maps.live, k->maps.sites, k->maps.threads, k->maps.names };
	static const uint32_t most[] = { 1u << 20, 16384, 2048, 8192 };

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
	t->sessions = a->sessions;
	t->by_rows = a->rows;
	return err;
}

static int load_best(struct heap_tracer *t, const struct heap_tracer_settings *s)
{
	static const struct attempt attempts[] = {
		{ true, true, true }, { false, true, true }, { false, true, false },
		{ false, false, false },
	};
	bool sessions = t->types.session && t->types.plain && !getenv("KAGENT_NO_UPROBE_MULTI");
	bool rows = t->max_rows && !getenv("KAGENT_NO_UNWIND_ROWS");
	int err = -ENOTSUP;

	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts) && err && err != -EPERM; i++) {
		struct attempt a = attempts[i];

		a.rows &= rows;
		if (!a.sessions || sessions)
			err = load(t, s, &a);
	}
	return err;
}

static void *map_array(const struct bpf_map *map, size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	return p == MAP_FAILED ? NULL : p;
}

/* The rows are written where the programs read them. */
static int map_rows(struct heap_tracer *t)
{
	if (!t->by_rows)
		return 0;
	t->rows = map_array(t->skel->maps.rows, (size_t)t->max_rows * sizeof(*t->rows));
	t->known_rows = map_array(t->skel->maps.known_rows, KNOWN_ROWS_BYTES);
	return t->rows && t->known_rows ? 0 : -errno;
}

static int on_ring_event(void *arg, void *data, size_t size)
{
	struct heap_tracer *t = arg;

	if (size >= sizeof(struct ku_event) && t->event_fn)
		t->event_fn(t->event_arg, data);
	return 0;
}

static int attach_process(struct heap_tracer *t)
{
	struct uprobe *k = t->skel;

	k->links.on_exit = bpf_program__attach(k->progs.on_exit);
	if (!k->links.on_exit)
		return -errno;
	k->links.on_exec = bpf_program__attach(k->progs.on_exec);
	return k->links.on_exec ? 0 : -errno;
}

static int start(struct heap_tracer *t, const struct heap_tracer_settings *s, char *why,
		 size_t size)
{
	int err;

	uprobe_link_types(&t->types);
	/* whole pages, as they are mapped */
	t->max_rows = (s->max_rows + 511) & ~511u;
	err = load_best(t, s);
	if (!err)
		err = map_rows(t);
	if (err)
		return explain(t, "can't load the BPF programs", err, why, size);
	if (s->trace) {
		t->ring = ring_buffer__new(bpf_map__fd(t->skel->maps.ring), on_ring_event, t, NULL);
		if (!t->ring)
			return explain(t, "no ring buffer", -errno, why, size);
	}
	err = attach_process(t);
	return err ? explain(t, "can't attach to the kernel's tracepoints", err, why, size) : 0;
}

int heap_tracer_open(const struct heap_tracer_settings *settings, struct heap_tracer **out,
		     char *why, size_t why_size)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct heap_tracer *t = calloc(1, sizeof(*t));
	int err;

	if (!t) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	t->pid = settings->pid;
	t->await_exec = settings->await_exec;
	speaking = t;
	libbpf_set_print(keep_words);
	setrlimit(RLIMIT_MEMLOCK, &unlimited);	/* counts before 5.11 only */
	err = start(t, settings, why, why_size);
	if (err)
		heap_tracer_free(t);
	else
		*out = t;
	return err;
}

/* ---- probes ---------------------------------------------------------------------- */

static int attach_many(struct heap_tracer *t, const struct allocator *a, bool frees)
{
	const struct bpf_program *prog = frees ? t->skel->progs.on_free : t->skel->progs.on_session;
	uint32_t type = frees ? t->types.plain : t->types.session, count = 0;
	uint64_t offsets[ALLOCATOR_PROBES], cookies[ALLOCATOR_PROBES];
	int fd;

	for (size_t i = 0; i < a->count; i++) {
		if ((a->probe[i].function == KU_FREE) != frees)
			continue;
		offsets[count] = a->probe[i].offset;
		cookies[count++] = a->probe[i].function;
	}
	if (!count)
		return 0;
	if (t->fd_count == sizeof(t->fds) / sizeof(*t->fds))
		return -E2BIG;
	fd = uprobe_link(bpf_program__fd(prog), type, a->path, t->pid, offsets, cookies, count);
	if (fd < 0)
		return fd;
	t->fds[t->fd_count++] = fd;
	t->probes += count;
	return 0;
}

static int attach_one(struct heap_tracer *t, const struct allocator *a,
		      const struct allocator_probe *p, const struct bpf_program *prog, bool back)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = back, .bpf_cookie = p->function);
	struct bpf_link *link;

	if (t->link_count == MAX_LINKS)
		return -E2BIG;
	link = bpf_program__attach_uprobe_opts(prog, t->pid, a->path, p->offset, &opts);
	if (!link)
		return -errno;
	t->links[t->link_count++] = link;
	return 0;
}

/* The return first: a call that is seen is to be seen returning. */
static int attach_each(struct heap_tracer *t, const struct allocator *a)
{
	const struct uprobe *k = t->skel;
	int err = 0;

	for (size_t i = 0; i < a->count && !err; i++) {
		const struct allocator_probe *p = &a->probe[i];

		if (p->function == KU_FREE) {
			err = attach_one(t, a, p, k->progs.on_free, false);
		} else {
			err = attach_one(t, a, p, k->progs.on_leave, true);
			if (!err)
				err = attach_one(t, a, p, k->progs.on_enter, false);
		}
		t->probes += !err;
	}
	return err;
}

int heap_tracer_attach(struct heap_tracer *t, const struct allocator *a, char *why,
		       size_t why_size)
{
	int err;

	if (t->sessions) {
		err = attach_many(t, a, true);
		if (!err)
			err = attach_many(t, a, false);
	} else {
		err = attach_each(t, a);
	}
	if (err == -ENOENT || err == -ESRCH)
		snprintf(why, why_size, "the file with its malloc is not mapped any more: the process "
			 "has ended, or executed another program; try again");
	else if (err)
		explain(t, "can't probe the allocator's functions", err, why, why_size);
	return err;
}

void heap_tracer_start(struct heap_tracer *t)
{
	if (!t->await_exec)
		__atomic_store_n(&t->skel->bss->state.on, 1, __ATOMIC_RELEASE);
}

void heap_tracer_stop(struct heap_tracer *t)
{
	__atomic_store_n(&t->skel->bss->state.on, 0, __ATOMIC_RELEASE);
	for (size_t i = 0; i < t->fd_count; i++)
		close(t->fds[i]);
	for (size_t i = 0; i < t->link_count; i++)
		bpf_link__destroy(t->links[i]);
	t->fd_count = t->link_count = 0;
}

void heap_tracer_free(struct heap_tracer *t)
{
	if (!t)
		return;
	if (t->skel)
		heap_tracer_stop(t);
	ring_buffer__free(t->ring);
	if (t->rows)
		munmap(t->rows, (size_t)t->max_rows * sizeof(*t->rows));
	if (t->known_rows)
		munmap(t->known_rows, KNOWN_ROWS_BYTES);
	uprobe__destroy(t->skel);
	speaking = NULL;
	free(t);
}

/* ---- unwinding ----------------------------------------------------------------------- */

static void take_rows(struct heap_tracer *t, struct image_module *m)
{
	if (m->rows && m->row_count <= t->max_rows - t->row_count) {
		memcpy(t->rows + t->row_count, m->rows, m->row_count * sizeof(*m->rows));
		m->first_row = t->row_count;
		t->row_count += m->row_count;
	} else if (m->rows) {
		m->row_count = 0;
	}
	free(m->rows);
	m->rows = NULL;
}

static int compare_objects(const void *a, const void *b)
{
	const struct ku_object *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Fills the half that is not in use, then it is the other one that isn't. */
static int publish(struct heap_tracer *t, struct ku_object *list, uint32_t count)
{
	struct ku_state *state = (struct ku_state *)&t->skel->bss->state;
	uint32_t half = state->objects & KU_SECOND_HALF ? 0 : KU_MAX_OBJECTS;

	qsort(list, count, sizeof(*list), compare_objects);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t key = half + i;

		if (bpf_map_update_elem(bpf_map__fd(t->skel->maps.objects), &key, &list[i], 0))
			return -errno;
	}
	__atomic_store_n(&state->objects, count | (half ? KU_SECOND_HALF : 0), __ATOMIC_RELEASE);
	memset(t->known_rows, 0, KNOWN_ROWS_BYTES);
	return 0;
}

int heap_tracer_map_code(struct heap_tracer *t, struct process_image *p)
{
	struct ku_object list[KU_MAX_OBJECTS];
	uint32_t count = 0;

	if (!t->by_rows)
		return 0;
	for (size_t i = 0; i < p->count && count < KU_MAX_OBJECTS; i++) {
		struct image_module *m = &p->modules[i];

		take_rows(t, m);
		if (m->row_count && !m->end_epoch)
			list[count++] = (struct ku_object){ m->start, m->end, m->first_row,
							    m->row_count };
	}
	return publish(t, list, count);
}

/* ---- what was recorded ------------------------------------------------------------- */

struct ku_state heap_tracer_state(const struct heap_tracer *t)
{
	return *(const volatile struct ku_state *)&t->skel->bss->state;
}

size_t heap_tracer_probes(const struct heap_tracer *t)
{
	return t->probes;
}

bool heap_tracer_uses_sessions(const struct heap_tracer *t)
{
	return t->sessions;
}

bool heap_tracer_uses_rows(const struct heap_tracer *t)
{
	return t->by_rows;
}

int heap_tracer_blocks(const struct heap_tracer *t, map_entry_fn *fn, void *arg)
{
	return map_walk(t->skel->maps.live, fn, arg);
}

int heap_tracer_sites(const struct heap_tracer *t, map_entry_fn *fn, void *arg)
{
	return map_walk(t->skel->maps.sites, fn, arg);
}

int heap_tracer_names(const struct heap_tracer *t, map_entry_fn *fn, void *arg)
{
	return map_walk(t->skel->maps.names, fn, arg);
}

void heap_tracer_losses(const struct heap_tracer *t, uint64_t loss[KU_LOSS_MAX])
{
	for (uint32_t i = 0; i < KU_LOSS_MAX; i++)
		if (bpf_map_lookup_elem(bpf_map__fd(t->skel->maps.losses), &i, &loss[i]))
			loss[i] = 0;
}

int heap_tracer_poll(struct heap_tracer *t, heap_event_fn *fn, void *arg)
{
	t->event_fn = fn;
	t->event_arg = arg;
	return t->ring ? ring_buffer__consume(t->ring) : 0;
}

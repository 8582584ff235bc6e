// SPDX-License-Identifier: MIT
/* tracer.c - loading, attaching and reading slab.bpf.c. */
#include "kagent/tracer.h"

#include "kagent/verdict.h"
#include "slab.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct tracer {
	struct slab *skel;
	struct features features;
	struct verdicts *verdicts;
	struct ring_buffer *ring;
	tracer_event_fn *event_fn;
	void *event_arg;
	int cpus;
	bool bulk_seen;		/* fentry on the bulk paths is attached */
};

/* ---- what libbpf says, kept for the message -------------------------------------- */

static char last_words[256];

static int keep_words(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[256];

	if (getenv("KAGENT_DEBUG"))
		return vfprintf(stderr, format, args);
	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = 0;
	if (!last_words[0])
		snprintf(last_words, sizeof(last_words), "%s", line);
	return 0;
}

static void explain(char *why, size_t size, const char *what, int err)
{
	char cause[200];

	features_why_not(cause, sizeof(cause));
	snprintf(why, size, "%s: %s%s%s%s%s", what, strerror(-err), cause[0] ? "; " : "", cause,
		 last_words[0] ? " - " : "", last_words);
}

/* ---- loading ------------------------------------------------------------------------ */

static void want(struct bpf_program *prog, bool wanted)
{
	bpf_program__set_autoload(prog, wanted);
}

static void choose_programs(struct tracer *t, const struct tracer_settings *s, bool fentry)
{
	const struct features *f = &t->features;
	struct slab *skel = t->skel;
	bool frees = s->config.track || s->config.count;

	want(skel->progs.on_kmalloc, f->kmalloc);
	want(skel->progs.on_kmalloc_node, f->kmalloc_node);
	want(skel->progs.on_cache_alloc, f->cache_alloc);
	want(skel->progs.on_cache_alloc_node, f->cache_alloc_node);
	want(skel->progs.on_kfree, f->kfree && frees);
	want(skel->progs.on_cache_free, f->cache_free && frees);
	want(skel->progs.on_page_alloc, s->pages && f->page_alloc);
	want(skel->progs.on_page_free, s->pages && f->page_free);
	want(skel->progs.on_percpu_alloc, s->percpu && f->percpu_alloc && f->percpu_has_call_site);
	want(skel->progs.on_percpu_alloc_old, s->percpu && f->percpu_alloc && !f->percpu_has_call_site);
	want(skel->progs.on_percpu_free, s->percpu && f->percpu_free);
	want(skel->progs.on_bulk_free, fentry && f->bulk_free && frees);
	want(skel->progs.on_bulk_alloc, fentry && f->bulk_alloc);
	want(skel->progs.on_bulk_alloc_noprof, fentry && f->bulk_alloc_noprof);
	want(skel->progs.forget_objects, f->slab_layout);
}

static void choose_sizes(struct tracer *t, const struct tracer_settings *s)
{
	struct slab *skel = t->skel;

	bpf_map__set_max_entries(skel->maps.live, s->config.track ? s->max_objects : 1);
	bpf_map__set_max_entries(skel->maps.sites,
				 s->config.track || s->config.procs ? s->max_sites : 1);
	bpf_map__set_max_entries(skel->maps.ustacks, s->config.user_stacks ? s->max_ustacks : 1);
	bpf_map__set_max_entries(skel->maps.procs, s->config.procs ? 65536 : 1);
	bpf_map__set_max_entries(skel->maps.ring, s->config.trace ? s->ring_bytes
								 : (uint32_t)getpagesize());
}

static int load(struct tracer *t, const struct tracer_settings *s, bool fentry)
{
	struct ka_config *cfg;
	int err;

	t->skel = slab__open();
	if (!t->skel)
		return -errno;
	cfg = (struct ka_config *)&t->skel->rodata->cfg;
	*cfg = s->config;
	cfg->some_tasks = cfg->tgid || cfg->by_comm || cfg->by_cgroup || cfg->min_size || cfg->max_size;
	cfg->use_kfunc = t->features.kfunc;
	cfg->alloc_has_cache = t->features.alloc_has_cache;
	cfg->free_has_cache = t->features.free_has_cache;
	cfg->pages.shift = t->verdicts ? verdicts_pages(t->verdicts).shift : 12;
	cfg->pages.map0 = t->verdicts ? verdicts_pages(t->verdicts).map0 : 0;
	choose_programs(t, s, fentry);
	choose_sizes(t, s);
	err = slab__load(t->skel);
	if (err) {
		slab__destroy(t->skel);
		t->skel = NULL;
	}
	return err;
}

/* fentry isn't to be had everywhere (no ftrace, old CPU architecture); the rest is. */
static int load_best(struct tracer *t, const struct tracer_settings *s)
{
	int err = getenv("KAGENT_NO_FENTRY") ? -ENOTSUP : load(t, s, true);

	return err ? load(t, s, false) : 0;
}

static int attach_one(struct bpf_program *prog, struct bpf_link **link)
{
	if (bpf_program__fd(prog) < 0)
		return 0;
	*link = bpf_program__attach(prog);
	return *link ? 0 : -errno;
}

/* Frees before allocations: what is recorded must be seen freed. */
static int attach(struct tracer *t)
{
	struct slab *s = t->skel;
	struct {
		struct bpf_program *prog;
		struct bpf_link **link;
		bool must;
	} list[] = {
		{ s->progs.on_bulk_free, &s->links.on_bulk_free, false },
		{ s->progs.on_kfree, &s->links.on_kfree, true },
		{ s->progs.on_cache_free, &s->links.on_cache_free, true },
		{ s->progs.on_page_free, &s->links.on_page_free, true },
		{ s->progs.on_percpu_free, &s->links.on_percpu_free, true },
		{ s->progs.on_kmalloc, &s->links.on_kmalloc, true },
		{ s->progs.on_kmalloc_node, &s->links.on_kmalloc_node, false },
		{ s->progs.on_cache_alloc, &s->links.on_cache_alloc, true },
		{ s->progs.on_cache_alloc_node, &s->links.on_cache_alloc_node, false },
		{ s->progs.on_page_alloc, &s->links.on_page_alloc, true },
		{ s->progs.on_percpu_alloc, &s->links.on_percpu_alloc, true },
		{ s->progs.on_percpu_alloc_old, &s->links.on_percpu_alloc_old, true },
		{ s->progs.on_bulk_alloc, &s->links.on_bulk_alloc, false },
		{ s->progs.on_bulk_alloc_noprof, &s->links.on_bulk_alloc_noprof, false },
	};
	size_t i;
	int err;

	for (i = 0; i < sizeof(list) / sizeof(*list); i++) {
		err = attach_one(list[i].prog, list[i].link);
		if (err && list[i].must)
			return err;
	}
	t->bulk_seen = s->links.on_bulk_free != NULL;
	return 0;
}

static int on_ring_event(void *arg, void *data, size_t size)
{
	struct tracer *t = arg;

	if (size < sizeof(struct ka_event) || !t->event_fn)
		return 0;
	return t->event_fn(t->event_arg, data);
}

static int open_ring(struct tracer *t)
{
	t->ring = ring_buffer__new(bpf_map__fd(t->skel->maps.ring), on_ring_event, t, NULL);
	return t->ring ? 0 : -errno;
}

static int limit_cgroup(struct tracer *t, int fd)
{
	uint32_t zero = 0;

	return bpf_map__update_elem(t->skel->maps.cgroups, &zero, sizeof(zero), &fd, sizeof(fd), 0);
}

void tracer_pseudo_name(uint64_t id, struct ka_name *name)
{
	memset(name, 0, sizeof(*name));
	name->text[0] = (char)id;
}

static int decide_by_name(struct tracer *t, const struct tracer_settings *s)
{
	int err = 0;

	for (size_t i = 0; i < s->decision_count && i < KA_MAX_CACHES && !err; i++) {
		const struct tracer_decision *d = &s->decisions[i];
		uint32_t state = d->wanted ? KA_CACHE_WANTED : KA_CACHE_UNWANTED;

		err = bpf_map__update_elem(t->skel->maps.decided, &d->name, sizeof(d->name), &state,
					   sizeof(state), 0);
	}
	return err;
}

static int start(struct tracer *t, const struct tracer_settings *s, char *why, size_t size)
{
	int err = features_detect(&t->features);

	if (err) {
		explain(why, size, "can't read the kernel's types", err);
		return err;
	}
	if (t->features.slab_layout)
		verdicts_open(t->features.kfunc, &t->verdicts);
	last_words[0] = 0;
	err = load_best(t, s);
	if (err) {
		explain(why, size, "can't load the BPF programs", err);
		return err;
	}
	err = decide_by_name(t, s);
	if (!err && s->config.by_cgroup)
		err = limit_cgroup(t, s->cgroup_fd);
	if (!err && s->config.trace)
		err = open_ring(t);
	if (!err)
		err = attach(t);
	if (err)
		explain(why, size, "can't attach to the kernel's tracepoints", err);
	return err;
}

int tracer_start(const struct tracer_settings *settings, struct tracer **out,
		 char *why, size_t why_size)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct tracer *t = calloc(1, sizeof(*t));
	int err;

	if (!t) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	libbpf_set_print(keep_words);
	setrlimit(RLIMIT_MEMLOCK, &unlimited);	/* counts before 5.11 only */
	t->cpus = libbpf_num_possible_cpus();
	err = start(t, settings, why, why_size);
	if (err) {
		tracer_free(t);
		return err;
	}
	*out = t;
	return 0;
}

void tracer_free(struct tracer *t)
{
	if (!t)
		return;
	ring_buffer__free(t->ring);
	slab__destroy(t->skel);
	verdicts_close(t->verdicts);
	free(t);
}

void tracer_stop(struct tracer *t)
{
	slab__detach(t->skel);
}

const struct features *tracer_features(const struct tracer *t)
{
	return &t->features;
}

struct verdicts *tracer_verdicts(struct tracer *t)
{
	return t->verdicts && verdicts_pages(t->verdicts).map0 ? t->verdicts : NULL;
}

void tracer_describe(const struct tracer *t, char *text, size_t size)
{
	const struct features *f = &t->features;
	bool names = f->kfunc || t->skel->rodata->cfg.pages.map0;

	snprintf(text, size, "kmalloc%s, kmem_cache%s%s%s; %s; %s",
		 names ? "" : " (without cache names)", f->alloc_has_cache || names ? "" : " (without cache names)",
		 t->skel->links.on_page_alloc ? ", pages" : "",
		 t->skel->links.on_percpu_free ? ", percpu" : "",
		 t->bulk_seen ? "bulk frees seen" : "bulk frees not seen",
		 tracer_verdicts((struct tracer *)t) ? "suspects are looked up in their slabs"
						     : "suspects stay unverified");
}

/* ---- reading the maps ------------------------------------------------------------------ */

typedef int entry_fn(void *arg, const void *key, const void *value);

/*
 * Batches cost one system call per some thousand entries. While entries come and
 * go an element may be missed or met twice: callers take that into account.
 */
#define BATCH 1024

struct batch {
	char *keys, *values;
	uint32_t key_size, value_size, room;
};

static int grow_batch(struct batch *b, uint32_t room)
{
	char *keys = realloc(b->keys, (size_t)room * b->key_size), *values;

	if (!keys)
		return -ENOMEM;
	b->keys = keys;
	values = realloc(b->values, (size_t)room * b->value_size);
	if (!values)
		return -ENOMEM;
	b->values = values;
	b->room = room;
	return 0;
}

static int deliver(const struct batch *b, uint32_t count, entry_fn *fn, void *arg)
{
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++)
		err = fn(arg, b->keys + (size_t)i * b->key_size, b->values + (size_t)i * b->value_size);
	return err;
}

static int each_batch(int fd, struct batch *b, entry_fn *fn, void *arg)
{
	uint64_t position = 0, next = 0;	/* at least 4 bytes: a bucket's number */
	bool first = true;

	for (;;) {
		uint32_t count = b->room;
		int got = bpf_map_lookup_batch(fd, first ? NULL : &position, &next, b->keys, b->values,
					       &count, NULL);
		int err;

		if (got && errno == ENOSPC) {	/* a bucket with more entries than room */
			err = grow_batch(b, b->room * 2);
			if (err)
				return err;
			continue;
		}
		if (got && errno != ENOENT)
			return -errno;
		err = deliver(b, count, fn, arg);
		if (err || got)
			return err;
		position = next;
		first = false;
	}
}

static int each_entry(const struct bpf_map *map, entry_fn *fn, void *arg)
{
	struct batch b = { .key_size = bpf_map__key_size(map), .value_size = bpf_map__value_size(map) };
	int err = grow_batch(&b, BATCH);

	if (!err)
		err = each_batch(bpf_map__fd(map), &b, fn, arg);
	free(b.keys);
	free(b.values);
	return err;
}

struct typed {
	void *arg;
	union {
		tracer_object_fn *object;
		tracer_site_fn *site;
		tracer_ustack_fn *ustack;
		tracer_cache_fn *cache;
		tracer_proc_fn *proc;
	};
};

static int give_object(void *arg, const void *key, const void *value)
{
	struct typed *t = arg;

	return t->object(t->arg, *(const uint64_t *)key, value);
}

static int give_site(void *arg, const void *key, const void *value)
{
	struct typed *t = arg;

	return t->site(t->arg, *(const uint64_t *)key, value);
}

static int give_ustack(void *arg, const void *key, const void *value)
{
	struct typed *t = arg;

	return t->ustack(t->arg, *(const uint64_t *)key, value);
}

static int give_cache(void *arg, const void *key, const void *value)
{
	struct typed *t = arg;

	return t->cache(t->arg, *(const uint64_t *)key, value);
}

static int give_proc(void *arg, const void *key, const void *value)
{
	struct typed *t = arg;

	return t->proc(t->arg, key, value);
}

int tracer_each_object(struct tracer *t, tracer_object_fn *fn, void *arg)
{
	return each_entry(t->skel->maps.live, give_object, &(struct typed) { arg, { .object = fn } });
}

int tracer_each_site(struct tracer *t, tracer_site_fn *fn, void *arg)
{
	return each_entry(t->skel->maps.sites, give_site, &(struct typed) { arg, { .site = fn } });
}

int tracer_each_ustack(struct tracer *t, tracer_ustack_fn *fn, void *arg)
{
	return each_entry(t->skel->maps.ustacks, give_ustack, &(struct typed) { arg, { .ustack = fn } });
}

int tracer_each_cache(struct tracer *t, tracer_cache_fn *fn, void *arg)
{
	return each_entry(t->skel->maps.caches, give_cache, &(struct typed) { arg, { .cache = fn } });
}

int tracer_each_proc(struct tracer *t, tracer_proc_fn *fn, void *arg)
{
	return each_entry(t->skel->maps.procs, give_proc, &(struct typed) { arg, { .proc = fn } });
}

int tracer_decide(struct tracer *t, uint64_t cache, const struct ka_cache *c, bool wanted)
{
	struct ka_cache decided = *c;

	decided.state = wanted ? KA_CACHE_WANTED : KA_CACHE_UNWANTED;
	return bpf_map__update_elem(t->skel->maps.caches, &cache, sizeof(cache), &decided,
				    sizeof(decided), BPF_EXIST);
}

static int sum_percpu(struct tracer *t, const struct bpf_map *map, uint32_t index, uint64_t *sum,
		      size_t words)
{
	size_t room = (size_t)t->cpus * words * sizeof(*sum);
	uint64_t *values = calloc(1, room);
	int err = -ENOMEM;

	memset(sum, 0, words * sizeof(*sum));
	if (!values)
		return err;
	err = bpf_map__lookup_elem(map, &index, sizeof(index), values, room, 0);
	for (size_t i = 0; !err && i < (size_t)t->cpus * words; i++)
		sum[i % words] += values[i];
	free(values);
	return err;
}

int tracer_counts(struct tracer *t, uint32_t index, struct ka_cache_count *sum)
{
	return sum_percpu(t, t->skel->maps.counts, index, (uint64_t *)sum,
			  sizeof(*sum) / sizeof(uint64_t));
}

/* ---- losses, cost ---------------------------------------------------------------------- */

typedef void info_fn(const struct bpf_prog_info *info, uint64_t *a, uint64_t *b);

static void sum_info(struct tracer *t, info_fn *fn, uint64_t *a, uint64_t *b)
{
	struct bpf_program *prog;

	*a = *b = 0;
	bpf_object__for_each_program(prog, t->skel->obj) {
		struct bpf_prog_info info = {};
		uint32_t len = sizeof(info);

		if (bpf_program__fd(prog) >= 0 &&
		    !bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
			fn(&info, a, b);
	}
}

static void add_misses(const struct bpf_prog_info *info, uint64_t *a, uint64_t *b)
{
	(void)b;
	*a += info->recursion_misses;
}

static void add_cost(const struct bpf_prog_info *info, uint64_t *a, uint64_t *b)
{
	*a += info->run_time_ns;
	*b += info->run_cnt;
}

void tracer_losses(struct tracer *t, uint64_t loss[KA_LOSS_MAX], uint64_t *recursion)
{
	uint64_t unused;

	for (uint32_t i = 0; i < KA_LOSS_MAX; i++)
		sum_percpu(t, t->skel->maps.losses, i, &loss[i], 1);
	sum_info(t, add_misses, recursion, &unused);
}

void tracer_cost(struct tracer *t, uint64_t *ns, uint64_t *runs)
{
	sum_info(t, add_cost, ns, runs);
}

/* ---- commands to the BPF side ------------------------------------------------------------ */

long tracer_forget(struct tracer *t, struct ka_forget *list, size_t count)
{
	int fd = bpf_program__fd(t->skel->progs.forget_objects);
	long total = 0;

	if (fd < 0)
		return -ENOTSUP;
	while (count) {
		uint32_t part = count < KA_FORGET_MAX ? count : KA_FORGET_MAX;
		LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &part, .ctx_size_in = sizeof(part));

		memcpy(t->skel->bss->forget, list, part * sizeof(*list));
		if (bpf_prog_test_run_opts(fd, &opts))
			return -errno;
		memcpy(list, t->skel->bss->forget, part * sizeof(*list));
		total += t->skel->bss->forgotten;
		list += part;
		count -= part;
	}
	return total;
}

int tracer_poll(struct tracer *t, int timeout_ms, tracer_event_fn *fn, void *arg)
{
	t->event_fn = fn;
	t->event_arg = arg;
	return ring_buffer__poll(t->ring, timeout_ms);
}

// SPDX-License-Identifier: MIT
/* tracer.c - loading and attaching slab.bpf.c. */
#include "kagent/tracer_private.h"

#include "kagent/verdict.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_FAMILY 16384	/* processes at a time */

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
	char cause[320];

	features_why_not(cause, sizeof(cause));
	snprintf(why, size, "%s: %s; %s", what, strerror(-err), cause[0] ? cause : last_words);
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
	want(skel->progs.on_percpu_alloc_old,
	     s->percpu && f->percpu_alloc && !f->percpu_has_call_site);
	want(skel->progs.on_percpu_free, s->percpu && f->percpu_free);
	want(skel->progs.on_bulk_free, fentry && f->bulk_free && frees);
	want(skel->progs.on_bulk_alloc, fentry && f->bulk_alloc);
	want(skel->progs.on_bulk_alloc_noprof, fentry && f->bulk_alloc_noprof);
	want(skel->progs.on_fork, s->children);
	want(skel->progs.on_reaped, s->children);
	want(skel->progs.forget_objects, f->slab_layout);
}

static bool has_family(const struct tracer_settings *s)
{
	return s->pid_count > 1 || (s->pid_count && s->children);
}

static void choose_sizes(struct tracer *t, const struct tracer_settings *s)
{
	struct slab *skel = t->skel;

	bpf_map__set_max_entries(skel->maps.live, s->config.track ? s->max_objects : 1);
	bpf_map__set_max_entries(skel->maps.sites,
				 s->config.track || s->config.procs ? s->max_sites : 1);
	bpf_map__set_max_entries(skel->maps.family, has_family(s) ? MAX_FAMILY : 1);
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
	if (s->pid_count && !has_family(s))
		cfg->tgid = s->pids[0];
	cfg->by_family = has_family(s);
	cfg->some_tasks = cfg->tgid || cfg->by_family || cfg->by_comm || cfg->by_cgroup ||
			  cfg->min_size || cfg->max_size;
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

/* Frees before allocations: what is recorded must be seen freed; ends before births, too. */
static int attach(struct tracer *t)
{
	struct slab *s = t->skel;
	struct {
		struct bpf_program *prog;
		struct bpf_link **link;
		bool must;
	} list[] = {
		{ s->progs.on_reaped, &s->links.on_reaped, true },
		{ s->progs.on_fork, &s->links.on_fork, true },
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

static int found_family(struct tracer *t, const struct tracer_settings *s)
{
	uint8_t in = 1;
	int err = 0;

	for (size_t i = 0; i < s->pid_count && has_family(s) && !err; i++)
		err = bpf_map__update_elem(t->skel->maps.family, &s->pids[i], sizeof(s->pids[i]),
					   &in, sizeof(in), 0);
	return err;
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
	if (!err)
		err = found_family(t, s);
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

void tracer_watch_caches(struct tracer *t, uint64_t cache_of_caches)
{
	t->skel->bss->cache_of_caches = cache_of_caches;
}

bool tracer_sees_bulk(const struct tracer *t)
{
	return t->bulk_seen;
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
		 names ? "" : " (without cache names)",
		 f->alloc_has_cache || names ? "" : " (without cache names)",
		 t->skel->links.on_page_alloc ? ", pages" : "",
		 t->skel->links.on_percpu_free ? ", percpu" : "",
		 t->bulk_seen ? "bulk frees seen" : "bulk frees not seen",
		 tracer_verdicts((struct tracer *)t) ? "suspects are looked up in their slabs"
						     : "suspects stay unverified");
}


// SPDX-License-Identifier: MIT
/* tracer_maps.c - reads the maps of slab.bpf.c, and gives it commands. */
#include "kagent/tracer_private.h"

#include "kagent/map_walk.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading the maps ------------------------------------------------------------------ */

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
	return map_walk(t->skel->maps.live, give_object,
			  &(struct typed){ arg, { .object = fn } });
}

int tracer_each_site(struct tracer *t, tracer_site_fn *fn, void *arg)
{
	t->sites_seen = __atomic_load_n(&t->skel->bss->new_sites, __ATOMIC_ACQUIRE);
	return map_walk(t->skel->maps.sites, give_site, &(struct typed) { arg, { .site = fn } });
}

static int give_new_site(struct tracer *t, uint64_t key, tracer_site_fn *fn, void *arg)
{
	size_t size = bpf_map__value_size(t->skel->maps.sites);
	struct ka_site *s = malloc(size);
	int err = s ? 0 : -ENOMEM;

	if (!err && !bpf_map__lookup_elem(t->skel->maps.sites, &key, sizeof(key), s, size, 0))
		err = fn(arg, key, s);
	free(s);
	return err;
}

int tracer_each_new_site(struct tracer *t, tracer_site_fn *fn, void *arg)
{
	uint64_t end = __atomic_load_n(&t->skel->bss->new_sites, __ATOMIC_ACQUIRE), key;
	__u64 *slot;
	int err = 0;

	if (end - t->sites_seen > KA_NEW_SITES)
		return tracer_each_site(t, fn, arg);
	for (; t->sites_seen != end && !err; t->sites_seen++) {
		slot = &t->skel->bss->new_site[t->sites_seen % KA_NEW_SITES];
		key = __atomic_exchange_n(slot, 0, __ATOMIC_ACQ_REL);
		if (!key)
			break;	/* the number is taken, the key isn't there yet: next time */
		err = give_new_site(t, key, fn, arg);
	}
	return err;
}

int tracer_each_ustack(struct tracer *t, tracer_ustack_fn *fn, void *arg)
{
	return map_walk(t->skel->maps.ustacks, give_ustack,
			  &(struct typed){ arg, { .ustack = fn } });
}

int tracer_each_cache(struct tracer *t, tracer_cache_fn *fn, void *arg)
{
	return map_walk(t->skel->maps.caches, give_cache,
			  &(struct typed){ arg, { .cache = fn } });
}

int tracer_each_proc(struct tracer *t, tracer_proc_fn *fn, void *arg)
{
	return map_walk(t->skel->maps.procs, give_proc, &(struct typed) { arg, { .proc = fn } });
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

/* ---- losses ---------------------------------------------------------------------------- */

static uint64_t misses_of(const struct bpf_program *prog)
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info);
	int fd = bpf_program__fd(prog);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) ? info.recursion_misses : 0;
}

void tracer_losses(struct tracer *t, uint64_t loss[KA_LOSS_MAX], uint64_t *recursion)
{
	struct bpf_program *prog;

	for (uint32_t i = 0; i < KA_LOSS_MAX; i++)
		sum_percpu(t, t->skel->maps.losses, i, &loss[i], 1);
	*recursion = 0;
	bpf_object__for_each_program(prog, t->skel->obj)
		*recursion += misses_of(prog);
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

// SPDX-License-Identifier: MIT
/* idle.c - runs idle.bpf.c. */
#include "kagent/idle.h"

#include "idle.skel.h"
#include "kagent/bpf_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct idle_list {
	struct idle *skel;
	uint32_t cpus;
};

int idle_open(struct ka_pages pages, struct idle_list **out)
{
	struct idle_list *l = calloc(1, sizeof(*l));
	int err = -ENOMEM;

	if (!l)
		return -ENOMEM;
	l->cpus = libbpf_num_possible_cpus();
	l->skel = idle__open();
	if (l->skel)
		err = idle__load(l->skel);
	if (err) {
		idle_close(l);
		return err;
	}
	l->skel->bss->pages = pages;
	*out = l;
	return 0;
}

void idle_close(struct idle_list *l)
{
	if (!l)
		return;
	idle__destroy(l->skel);
	free(l);
}

int idle_refresh(struct idle_list *l)
{
	struct ka_verify args = { .cpus = l->cpus };

	return bpf_run(l->skel->progs.list_idle, &args, sizeof(args));
}

uint64_t idle_objects(const struct idle_list *l, const char *cache)
{
	uint32_t count = l ? l->skel->bss->idle_count : 0;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count && i < KA_MAX_CACHES; i++)
		if (!strncmp(l->skel->bss->idle[i].name.text, cache, KA_NAME_LEN))
			sum += l->skel->bss->idle[i].objects;
	return sum;
}

uint64_t idle_find(const struct idle_list *l, const char *cache)
{
	uint32_t count = l->skel->bss->idle_count;

	for (uint32_t i = 0; i < count && i < KA_MAX_CACHES; i++)
		if (!strncmp(l->skel->bss->idle[i].name.text, cache, KA_NAME_LEN))
			return l->skel->bss->idle[i].cache;
	return 0;
}

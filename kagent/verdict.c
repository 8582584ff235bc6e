// SPDX-License-Identifier: MIT
/* verdict.c - runs verdict.bpf.c over lists of suspects. */
#include "kagent/verdict.h"

#include "kagent/bpf_run.h"
#include "kagent/ksyms.h"
#include "verdict.skel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS		20		/* of asking again about the undecided */
#define PAUSE_NS	500000

struct verdicts {
	struct verdict *skel;
	uint32_t cpus, nodes;
	/* addresses in the sheaves of the cache that was asked about last, sorted */
	uint64_t sheaf_cache;
	uint64_t *sheaf;
	size_t sheaf_count;
};

/* Symbols first: exact; else the anchor that the BPF side finds for itself. */
static int locate_pages(struct verdicts *v)
{
	struct ka_verify args = { .cpus = v->cpus, .nodes = v->nodes };
	uint64_t vmemmap, page_offset;

	v->skel->bss->pages.shift = page_shift();
	ksyms_data_address("vmemmap_base", &vmemmap);
	ksyms_data_address("page_offset_base", &page_offset);
	args.vmemmap_symbol = vmemmap;
	args.page_offset_symbol = page_offset;
	return bpf_run(v->skel->progs.find_anchor, &args, sizeof(args));
}

int verdicts_open(bool kfunc, struct verdicts **out)
{
	struct verdicts *v = calloc(1, sizeof(*v));
	int err = -ENOMEM;

	if (!v)
		return -ENOMEM;
	v->cpus = libbpf_num_possible_cpus();
	v->nodes = possible_nodes();
	v->skel = verdict__open();
	if (!v->skel)
		goto fail;
	v->skel->rodata->use_kfunc = kfunc;
	err = verdict__load(v->skel);
	if (!err)
		err = locate_pages(v);
	if (err)
		goto fail;
	*out = v;
	return 0;
fail:
	verdicts_close(v);
	return err;
}

void verdicts_close(struct verdicts *v)
{
	if (!v)
		return;
	verdict__destroy(v->skel);
	free(v->sheaf);
	free(v);
}

struct ka_pages verdicts_pages(const struct verdicts *v)
{
	return v->skel->bss->pages;
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int load_sheaves(struct verdicts *v, uint64_t cache)
{
	struct ka_verify args = { .cpus = v->cpus, .nodes = v->nodes, .cache = cache };
	uint64_t *copy;
	int err;

	err = bpf_run(v->skel->progs.list_sheaves, &args, sizeof(args));
	if (err)
		return err;
	v->sheaf_cache = cache;
	v->sheaf_count = v->skel->bss->sheaves_listed;
	if (!v->sheaf_count)
		return 0;
	copy = realloc(v->sheaf, v->sheaf_count * sizeof(*copy));
	if (!copy) {
		v->sheaf_count = 0;
		return -ENOMEM;
	}
	memcpy(copy, v->skel->bss->sheaf_object, v->sheaf_count * sizeof(*copy));
	qsort(copy, v->sheaf_count, sizeof(*copy), by_address);
	v->sheaf = copy;
	return 0;
}

/* A sheaf holds free objects that their slab counts as allocated. */
static bool in_sheaf(struct verdicts *v, const struct ka_check *c)
{
	if (c->cache != v->sheaf_cache && load_sheaves(v, c->cache))
		return false;
	return v->sheaf_count &&
	       bsearch(&c->addr, v->sheaf, v->sheaf_count, sizeof(*v->sheaf), by_address);
}

static int check_some(struct verdicts *v, struct ka_check *check, uint32_t count)
{
	struct ka_verify args = { .cpus = v->cpus, .nodes = v->nodes, .checks = count };
	uint32_t i;
	int err;

	memcpy(v->skel->bss->check, check, count * sizeof(*check));
	err = bpf_run(v->skel->progs.verify, &args, sizeof(args));
	if (err)
		return err;
	for (i = 0; i < count; i++) {
		check[i].verdict = v->skel->bss->check[i].verdict;
		if (check[i].kind == KA_SLAB && check[i].verdict == KA_LIVE &&
		    in_sheaf(v, &check[i]))
			check[i].verdict = KA_FREED;
	}
	return 0;
}

static int check_all(struct verdicts *v, struct ka_check *check, size_t count)
{
	size_t done, part;
	int err = 0;

	for (done = 0; done < count && !err; done += part) {
		part = count - done < KA_CHECKS_MAX ? count - done : KA_CHECKS_MAX;
		err = check_some(v, check + done, part);
	}
	return err;
}

static bool is_undecided(const struct ka_check *c)
{
	return c->kind == KA_SLAB && c->verdict == KA_UNVERIFIED;
}

/* The slab that a busy CPU allocates from may change too fast; a moment later it is another. */
static int check_again(struct verdicts *v, struct ka_check *check, size_t count,
		       struct ka_check *some)
{
	size_t n = 0, i;
	int err;

	for (i = 0; i < count; i++)
		if (is_undecided(&check[i]))
			some[n++] = check[i];
	if (!n)
		return 0;
	nanosleep(&(struct timespec) { 0, PAUSE_NS }, NULL);
	err = check_all(v, some, n);
	for (i = n = 0; i < count && !err; i++)
		if (is_undecided(&check[i]))
			check[i].verdict = some[n++].verdict;
	return err;
}

int verdicts_check(struct verdicts *v, struct ka_check *check, size_t count)
{
	struct ka_check *some = malloc((count + 1) * sizeof(*some));
	int err, round;

	if (!some)
		return -ENOMEM;
	v->sheaf_cache = 0;
	err = check_all(v, check, count);
	for (round = 0; round < ROUNDS && !err; round++)
		err = check_again(v, check, count, some);
	free(some);
	return err;
}

// SPDX-License-Identifier: MIT
/* map_walk.c - see map_walk.h: BPF_MAP_LOOKUP_BATCH (5.6). */
#include "kagent/map_walk.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* Entries per system call. */
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

static int deliver(const struct batch *b, uint32_t count, map_entry_fn *fn, void *arg)
{
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++)
		err = fn(arg, b->keys + (size_t)i * b->key_size,
			 b->values + (size_t)i * b->value_size);
	return err;
}

static int each_batch(int fd, struct batch *b, map_entry_fn *fn, void *arg)
{
	uint64_t position = 0, next = 0;	/* at least 4 bytes: a bucket's number */
	bool first = true;

	for (;;) {
		uint32_t count = b->room;
		int got = bpf_map_lookup_batch(fd, first ? NULL : &position, &next, b->keys,
					       b->values, &count, NULL);
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

int map_walk(const struct bpf_map *map, map_entry_fn *fn, void *arg)
{
	struct batch b = { .key_size = bpf_map__key_size(map),
			   .value_size = bpf_map__value_size(map) };
	int err = grow_batch(&b, BATCH);

	if (!err)
		err = each_batch(bpf_map__fd(map), &b, fn, arg);
	free(b.keys);
	free(b.values);
	return err;
}

// SPDX-License-Identifier: MIT
/* map_walk.h - all entries of a BPF hash map, many per system call. */
#ifndef KAGENT_MAP_WALK_H
#define KAGENT_MAP_WALK_H

#include <bpf/libbpf.h>

/* Takes an entry; 0, or -errno to stop. */
typedef int map_entry_fn(void *arg, const void *key, const void *value);

/*
 * While entries come and go one may be missed or met twice: callers take that into
 * account. 0 or -errno.
 */
int map_walk(const struct bpf_map *map, map_entry_fn *fn, void *arg);

#endif

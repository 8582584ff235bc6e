// SPDX-License-Identifier: MIT
/*
 * hash_index.h - finds entries of an array by content.
 *
 * The table holds only (hash, index) pairs; the entries stay in an array of the
 * owner, who compares them. Open addressing with linear probing, grown at a
 * load of 3/4. Not thread-safe.
 */
#ifndef COMMON_HASH_INDEX_H
#define COMMON_HASH_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_INDEX_NONE UINT32_MAX

struct hash_slot {
	uint32_t hash;
	uint32_t index;		/* HASH_INDEX_NONE: free */
};

struct hash_index {
	struct hash_slot *slots;
	size_t mask;		/* slots - 1; meaningless without slots */
	size_t used;
};

/* Does entry `index` of the owner's array equal `key`? */
typedef bool hash_index_equal(const void *owner, uint32_t index, const void *key);

/* A zeroed hash_index is an empty table. */
void hash_index_free(struct hash_index *t);

/* The index that was added for an equal key, or HASH_INDEX_NONE. */
uint32_t hash_index_find(const struct hash_index *t, uint64_t hash, hash_index_equal *equal,
			 const void *owner, const void *key);

/* Adds an entry that is known to be absent. 0 or -ENOMEM (table unchanged). */
int hash_index_add(struct hash_index *t, uint64_t hash, uint32_t index);

/* A 64-bit hash of bytes; continue a hash by passing it as the seed. */
uint64_t hash_bytes(const void *data, size_t len, uint64_t seed);

/* A 64-bit mixer (the finalizer of splitmix64, Steele et al., OOPSLA 2014). */
uint64_t hash_mix(uint64_t x);

#endif

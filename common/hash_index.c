// SPDX-License-Identifier: MIT
/* hash_index.c - finds entries of an array by content. */
#include "common/hash_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64u

uint64_t hash_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

uint64_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
	const unsigned char *p = data;
	uint64_t h = hash_mix(seed ^ len ^ 0x9e3779b97f4a7c15ull);

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		h = hash_mix(h ^ word);
	}
	if (len) {
		uint64_t word = 0;

		memcpy(&word, p, len);
		h = hash_mix(h ^ word);
	}
	return h;
}

void hash_index_free(struct hash_index *t)
{
	free(t->slots);
	memset(t, 0, sizeof(*t));
}

uint32_t hash_index_find(const struct hash_index *t, uint64_t hash, hash_index_equal *equal,
			 const void *owner, const void *key)
{
	if (!t->slots)
		return HASH_INDEX_NONE;
	for (size_t i = hash & t->mask;; i = (i + 1) & t->mask) {
		const struct hash_slot *slot = &t->slots[i];

		if (slot->index == HASH_INDEX_NONE)
			return HASH_INDEX_NONE;
		if (slot->hash == (uint32_t)hash && equal(owner, slot->index, key))
			return slot->index;
	}
}

static void put(struct hash_slot *slots, size_t mask, uint32_t hash, uint32_t index)
{
	size_t i = hash & mask;

	while (slots[i].index != HASH_INDEX_NONE)
		i = (i + 1) & mask;
	slots[i] = (struct hash_slot){ hash, index };
}

static int grow(struct hash_index *t)
{
	size_t old = t->slots ? t->mask + 1 : 0;
	size_t count = old ? old * 2 : FIRST_SLOTS;
	struct hash_slot *slots = malloc(count * sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	memset(slots, 0xff, count * sizeof(*slots));
	for (size_t i = 0; i < old; i++)
		if (t->slots[i].index != HASH_INDEX_NONE)
			put(slots, count - 1, t->slots[i].hash, t->slots[i].index);
	free(t->slots);
	t->slots = slots;
	t->mask = count - 1;
	return 0;
}

int hash_index_add(struct hash_index *t, uint64_t hash, uint32_t index)
{
	if (!t->slots || (t->used + 1) * 4 > (t->mask + 1) * 3) {
		int err = grow(t);

		if (err)
			return err;
	}
	/* Only the low half is kept: tables of more than 2^32 slots cannot exist. */
	put(t->slots, t->mask, (uint32_t)hash, index);
	t->used++;
	return 0;
}

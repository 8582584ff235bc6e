// SPDX-License-Identifier: MIT
/* strpool.c - keeps each distinct string once. */
#include "report/strpool.h"

#include "common/hash_index.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (64u << 10)

struct chunk {
	struct chunk *next;
	char text[];
};

struct strpool {
	struct hash_index index;
	const char **strings;
	uint32_t count, room;
	struct chunk *chunks;
	char *free_text;	/* rest of the newest chunk */
	size_t free_bytes;
};

struct key {
	const char *s;
	size_t len;
};

struct strpool *strpool_new(void)
{
	return calloc(1, sizeof(struct strpool));
}

void strpool_free(struct strpool *p)
{
	if (!p)
		return;
	while (p->chunks) {
		struct chunk *c = p->chunks;

		p->chunks = c->next;
		free(c);
	}
	hash_index_free(&p->index);
	free(p->strings);
	free(p);
}

static bool string_equal(const void *owner, uint32_t index, const void *key)
{
	const struct strpool *p = owner;
	const struct key *k = key;

	return !strncmp(p->strings[index], k->s, k->len) && !p->strings[index][k->len];
}

/* Room for len bytes; a long string gets a chunk of its own. */
static char *take(struct strpool *p, size_t len)
{
	size_t bytes = len > CHUNK_BYTES / 4 ? len : CHUNK_BYTES;
	struct chunk *c;
	char *text;

	if (len > p->free_bytes) {
		c = malloc(sizeof(*c) + bytes);
		if (!c)
			return NULL;
		c->next = p->chunks;
		p->chunks = c;
		if (bytes == len)
			return c->text;
		p->free_text = c->text;
		p->free_bytes = bytes;
	}
	text = p->free_text;
	p->free_text += len;
	p->free_bytes -= len;
	return text;
}

static const char *insert(struct strpool *p, const char *s, size_t len, uint64_t hash)
{
	char *text;

	if (p->count == p->room) {
		uint32_t room = p->room ? p->room * 2 : 256;
		const char **strings = realloc(p->strings, room * sizeof(*strings));

		if (!strings)
			return NULL;
		p->strings = strings;
		p->room = room;
	}
	text = take(p, len + 1);
	if (!text || hash_index_add(&p->index, hash, p->count))
		return NULL;
	memcpy(text, s, len);
	text[len] = 0;
	p->strings[p->count++] = text;
	return text;
}

const char *strpool_add_n(struct strpool *p, const char *s, size_t len)
{
	struct key key = { s, strnlen(s, len) };
	uint64_t hash = hash_bytes(s, key.len, 0);
	uint32_t found = hash_index_find(&p->index, hash, string_equal, p, &key);

	return found != HASH_INDEX_NONE ? p->strings[found] : insert(p, s, key.len, hash);
}

const char *strpool_add(struct strpool *p, const char *s)
{
	return strpool_add_n(p, s, strlen(s));
}

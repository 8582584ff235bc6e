// SPDX-License-Identifier: MIT
/* early_arena.c - see early_arena.h. */
#include "early_arena.h"

#include <errno.h>
#include <stdatomic.h>

struct early_header {
	size_t size;
	size_t pad;	/* keeps blocks aligned to 16 */
};

char early_arena[EARLY_ARENA_BYTES] __attribute__((aligned(16)));
static atomic_size_t arena_used;

void *early_alloc(size_t align, size_t size)
{
	struct early_header *h;
	size_t at;

	if (align < 16)
		align = 16;
	if (size < EARLY_ARENA_BYTES && align < EARLY_ARENA_BYTES) {
		at = atomic_fetch_add(&arena_used, size + sizeof(*h) + align);
		if (at + size + sizeof(*h) + align <= EARLY_ARENA_BYTES) {
			uintptr_t p = (uintptr_t)early_arena + at + sizeof(*h);

			p = (p + align - 1) & ~(uintptr_t)(align - 1);
			h = (struct early_header *)p - 1;
			h->size = size;
			return (void *)p;
		}
	}
	errno = ENOMEM;
	return NULL;
}

size_t early_size(const void *p)
{
	return ((const struct early_header *)p - 1)->size;
}

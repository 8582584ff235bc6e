// SPDX-License-Identifier: MIT
/*
 * early_arena.h - memory for calls that arrive before the real allocator is
 * known: dlsym, which finds it, may itself allocate.
 *
 * A static bump allocator. Blocks are never reused; free() and realloc() must
 * recognise them by address, because the real allocator never saw them.
 */
#ifndef PRELOAD_EARLY_ARENA_H
#define PRELOAD_EARLY_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

#define EARLY_ARENA_BYTES (128u << 10)

extern char early_arena[EARLY_ARENA_BYTES] __attribute__((visibility("hidden")));

static ALWAYS_INLINE bool early_arena_owns(const void *p)
{
	return unlikely((uintptr_t)p - (uintptr_t)early_arena < EARLY_ARENA_BYTES);
}

/* Zeroed memory, or NULL when the arena is used up. @align: a power of two. */
void *early_alloc(size_t align, size_t size);

/* The size that early_alloc was asked for. */
size_t early_size(const void *p);

#endif

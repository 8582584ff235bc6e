// SPDX-License-Identifier: MIT
/*
 * exact THREADS OPERATIONS [SEED [KINDS]] - random allocations by every function of the
 * malloc family (or the first KINDS) along varying stacks. Blocks are freed by whatever
 * thread comes across them, one in a hundred never. The ledger holds what is
 * outstanding at the end, per stack.
 */
#define _GNU_SOURCE 1
#include "ledger.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum { KINDS = 11, PATHS = 16, SLOTS = 4096, MAX_THREADS = 64 };

/* In front of each block's data: which stack allocated it, and how much. */
struct tag {
	uint32_t kind, path;
	uint64_t size;
};

struct account {
	long long count[KINDS][PATHS], bytes[KINDS][PATHS];
	uint64_t random;
	long operations;
};

static uint32_t kinds = KINDS;
static struct account accounts[MAX_THREADS];
static _Atomic(struct tag *) slots[SLOTS];

static uint32_t next_random(struct account *me)
{
	me->random = me->random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(me->random >> 33);
}

static void *leak_malloc(size_t n)
{
	return malloc(n);
}

static void *leak_calloc(size_t n)
{
	return calloc(n / 8, 8);
}

static void *leak_realloc_new(size_t n)
{
	return realloc(NULL, n);
}

static void *leak_realloc_grow(size_t n)
{
	return realloc(malloc(n / 2 + 1), n);
}

static void *leak_realloc_shrink(size_t n)
{
	return realloc(malloc(n * 3), n);
}

static void *leak_reallocarray(size_t n)
{
	return reallocarray(malloc(24), n / 8, 8);
}

static void *leak_memalign(size_t n)
{
	return memalign(64, n);
}

static void *leak_aligned_alloc(size_t n)
{
	return aligned_alloc(256, n);
}

static void *leak_posix_memalign(size_t n)
{
	void *p;

	return posix_memalign(&p, 4096, n) ? NULL : p;
}

static void *leak_valloc(size_t n)
{
	return valloc(n);
}

static void *leak_pvalloc(size_t n)
{
	return pvalloc(n);
}

static void *(*const allocators[KINDS])(size_t) = {
	leak_malloc, leak_calloc, leak_realloc_new, leak_realloc_grow, leak_realloc_shrink,
	leak_reallocarray, leak_memalign, leak_aligned_alloc, leak_posix_memalign, leak_valloc,
	leak_pvalloc
};
static const char *const names[KINDS] = {
	"leak_malloc", "leak_calloc", "leak_realloc_new", "leak_realloc_grow",
	"leak_realloc_shrink", "leak_reallocarray", "leak_memalign", "leak_aligned_alloc",
	"leak_posix_memalign", "leak_valloc", "leak_pvalloc"
};

static void *left(int kind, int path, int depth, size_t n);

/* Two functions that call each other: the bits of `path` choose which comes next. */
static void *right(int kind, int path, int depth, size_t n)
{
	if (!depth)
		return allocators[kind](n);
	return path & 1 ? left(kind, path >> 1, depth - 1, n) : right(kind, path >> 1, depth - 1, n);
}

static void *left(int kind, int path, int depth, size_t n)
{
	if (!depth)
		return allocators[kind](n);
	return path & 1 ? left(kind, path >> 1, depth - 1, n) : right(kind, path >> 1, depth - 1, n);
}

static void give_back(struct account *me, struct tag *block)
{
	if (!block)
		return;
	me->count[block->kind][block->path]--;
	me->bytes[block->kind][block->path] -= (long long)block->size;
	free(block);
}

static void one_operation(struct account *me)
{
	uint32_t kind = next_random(me) % kinds, path = next_random(me) % PATHS;
	size_t size = (sizeof(struct tag) + next_random(me) % 1000 + 7) & ~(size_t)7;
	struct tag *block = right((int)kind, (int)path, 4, size);

	if (!block)
		return;
	*block = (struct tag){ kind, path, size };
	me->count[kind][path]++;
	me->bytes[kind][path] += (long long)size;
	if (next_random(me) % 100)
		give_back(me, atomic_exchange(&slots[next_random(me) % SLOTS], block));
}

static void *thread_main(void *arg)
{
	struct account *me = arg;

	for (long i = 0; i < me->operations; i++)
		one_operation(me);
	return NULL;
}

static void write_ledger(int threads)
{
	for (int kind = 0; kind < KINDS; kind++) {
		for (int path = 0; path < PATHS; path++) {
			long long count = 0, bytes = 0;
			char frames[256];
			size_t len = (size_t)snprintf(frames, sizeof(frames), "%s", names[kind]);

			for (int i = 0; i < threads; i++) {
				count += accounts[i].count[kind][path];
				bytes += accounts[i].bytes[kind][path];
			}
			for (int bit = 3; bit >= 0; bit--)
				len += (size_t)snprintf(frames + len, sizeof(frames) - len, ";%s",
							path >> bit & 1 ? "left" : "right");
			snprintf(frames + len, sizeof(frames) - len, ";right;one_operation;thread_main");
			ledger_line(count, bytes, frames);
		}
	}
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? atoi(argv[1]) : 1;
	long operations = argc > 2 ? atol(argv[2]) : 100000;
	unsigned long seed = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
	pthread_t id[MAX_THREADS];

	kinds = argc > 4 ? (uint32_t)atoi(argv[4]) : KINDS;
	if (threads < 1 || threads > MAX_THREADS || kinds < 1 || kinds > KINDS)
		return 2;
	for (int i = 0; i < threads; i++) {
		accounts[i].random = seed * 1000 + (unsigned long)i;
		accounts[i].operations = operations / threads;
		if (pthread_create(&id[i], NULL, thread_main, &accounts[i]))
			return 1;
	}
	for (int i = 0; i < threads; i++)
		pthread_join(id[i], NULL);
	for (int i = 0; i < SLOTS; i++)
		give_back(&accounts[0], atomic_load(&slots[i]));
	write_ledger(threads);
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * errno_kept - threads allocate on many stacks and free each other's blocks, and see
 * whether either changes errno. Ends with 1 if it does.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, BLOCKS = 200000, SHELF = 1024, DEPTH = 9, MARK = 1234 };

static void *_Atomic shelf[SHELF];
static atomic_int changed;

static void *left(uint32_t way, int depth);
static void *right(uint32_t way, int depth);

static void *descend(uint32_t way, int depth)
{
	void *p;

	if (depth)
		return way >> depth & 1 ? left(way, depth - 1) : right(way, depth - 1);
	errno = MARK;
	p = malloc(way % 500 + 1);
	if (errno != MARK)
		changed++;
	return p;
}

static void *left(uint32_t way, int depth)
{
	return descend(way, depth);
}

static void *right(uint32_t way, int depth)
{
	return descend(way, depth);
}

static void *work(void *seed)
{
	uint32_t way = *(uint32_t *)seed;

	for (int i = 0; i < BLOCKS; i++) {
		void *p;

		way = way * 1664525 + 1013904223;
		p = atomic_exchange(&shelf[way % SHELF], descend(way >> 8, DEPTH));
		errno = MARK;
		free(p);
		if (errno != MARK)
			changed++;
	}
	return NULL;
}

int main(void)
{
	uint32_t seeds[THREADS];
	pthread_t threads[THREADS];

	for (uint32_t i = 0; i < THREADS; i++) {
		seeds[i] = i * 7919 + 1;
		if (pthread_create(&threads[i], NULL, work, &seeds[i]))
			return 77;
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("errno was %s\n", changed ? "changed" : "kept");
	return changed != 0;
}

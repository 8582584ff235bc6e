// SPDX-License-Identifier: MIT
/*
 * worker [FILE] - works hard on its heap in 4 threads, keeps 100,000 blocks and as
 * many stacks as it can make, and prints a checksum of what it stored and the
 * number of the descriptor it got for FILE (or /dev/null). Exit status 7.
 */
#include "ledger.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { THREADS = 4, KEPT = 25000 };

struct work {
	uint64_t state, sum;
	unsigned char *kept[KEPT];
};

static struct work works[THREADS];

static uint32_t next_random(struct work *me)
{
	me->state = me->state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(me->state >> 33);
}

/* 2^9 distinct stacks. */
static void *allocate(size_t n, unsigned path, int depth)
{
	if (!depth)
		return malloc(n);
	if (path & 1)
		return allocate(n, path >> 1, depth - 1);
	return allocate(n, path >> 1, depth - 1);
}

static void *thread_main(void *arg)
{
	struct work *me = arg;

	for (int i = 0; i < KEPT; i++) {
		size_t size = 1 + next_random(me) % 300;
		unsigned char *shrunk;

		free(allocate(size, next_random(me), 9));
		me->kept[i] = allocate(size, next_random(me), 9);
		if (!me->kept[i])
			return NULL;
		memset(me->kept[i], (int)(next_random(me) & 0xff), size);
		shrunk = realloc(me->kept[i], size / 2 + 1);
		if (shrunk)
			me->kept[i] = shrunk;
		me->sum += me->kept[i][size / 2];
		errno = 0;
		free(NULL);
		if (errno)
			me->sum++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int fd = open(argc > 1 ? argv[1] : "/dev/null", O_RDWR | O_CREAT | O_APPEND, 0600);
	pthread_t id[THREADS];
	uint64_t sum = 0;
	char line[100];
	int len, out = argc > 1 ? fd : STDOUT_FILENO;

	for (int i = 0; i < THREADS; i++) {
		works[i].state = (uint64_t)i;
		if (pthread_create(&id[i], NULL, thread_main, &works[i]))
			return 1;
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(id[i], NULL);
		sum += works[i].sum;
	}
	len = snprintf(line, sizeof(line), "sum %llu, descriptor %d\n", (unsigned long long)sum, fd);
	if (write(out, line, (size_t)len) != len && errno != EFBIG)
		return 1;
	return 7;
}

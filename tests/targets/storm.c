// SPDX-License-Identifier: MIT
/*
 * storm [SECONDS] - two threads allocate and free without end (or for so long) and
 * lose a block now and then. Each 10000 rounds a thread prints how many it has
 * lost so far: "checkpoint THREAD COUNT". To be killed.
 */
#include "ledger.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>

enum { THREADS = 2, SLOTS = 256, LOST = 48 };

static time_t end;

static void *leak_in_storm(void)
{
	return malloc(LOST);
}

static void *tidy_alloc(size_t n)
{
	return malloc(n);
}

static void *thread_main(void *arg)
{
	void *slots[SLOTS] = { 0 };
	uint64_t state = (uint64_t)(uintptr_t)arg, lost = 0;

	for (uint64_t round = 0; !end || time(NULL) < end; round++) {
		uint64_t slot;

		state = state * 6364136223846793005ull + 1442695040888963407ull;
		slot = state >> 33;
		free(slots[slot % SLOTS]);
		slots[slot % SLOTS] = tidy_alloc(slot % 700);
		if (round % 50 == 0 && leak_in_storm())
			lost++;
		if (round % 10000 == 0)
			dprintf(STDOUT_FILENO, "checkpoint %d %llu\n", (int)(intptr_t)arg,
				(unsigned long long)lost);
	}
	for (int i = 0; i < SLOTS; i++)
		free(slots[i]);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t id[THREADS];

	end = argc > 1 ? time(NULL) + atoi(argv[1]) : 0;
	for (intptr_t i = 0; i < THREADS; i++)
		pthread_create(&id[i], NULL, thread_main, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(id[i], NULL);
	return 0;
}

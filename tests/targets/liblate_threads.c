// SPDX-License-Identifier: MIT
/* What late_threads.c loads: 16 threads at a time, each of which loses a block. */
#include "ledger.h"

#include <pthread.h>

enum { AT_A_TIME = 16 };

int run_threads(int rounds);

static void *leak_in_late_thread(size_t n)
{
	return malloc(n);
}

static void *late_thread(void *arg)
{
	(void)arg;
	free(malloc(50));
	return leak_in_late_thread(33) ? NULL : "no memory";
}

int run_threads(int rounds)
{
	pthread_t id[AT_A_TIME];
	void *failed = NULL, *answer;

	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < AT_A_TIME; i++)
			if (pthread_create(&id[i], NULL, late_thread, NULL))
				return 1;
		for (int i = 0; i < AT_A_TIME; i++) {
			pthread_join(id[i], &answer);
			failed = answer ? answer : failed;
		}
	}
	ledger_line(16ll * rounds, 16ll * rounds * 33, "leak_in_late_thread;late_thread");
	return failed ? 1 : 0;
}

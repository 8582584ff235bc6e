// SPDX-License-Identifier: MIT
/*
 * threads [ROUNDS] - 16 short threads at a time, for many rounds: each frees what
 * another one left, leaves something itself, and loses a block now and then.
 */
#include "ledger.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum { AT_A_TIME = 16, LEFT = 1024 };

static _Atomic(void *) left[LEFT];

static void *leak_in_thread(void)
{
	return malloc(33);
}

static void *tidy_alloc(size_t n)
{
	return malloc(n);
}

static void *thread_main(void *arg)
{
	uintptr_t number = (uintptr_t)arg;

	for (uintptr_t i = 0; i < 20; i++)
		free(atomic_exchange(&left[(number * 31 + i * 57) % LEFT], tidy_alloc(i * 50)));
	if (number % 4 == 0)
		leak_in_thread();
	return NULL;
}

int main(int argc, char **argv)
{
	uintptr_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 200, number = 0;
	pthread_t id[AT_A_TIME];

	for (uintptr_t round = 0; round < rounds; round++) {
		for (int i = 0; i < AT_A_TIME; i++)
			if (pthread_create(&id[i], NULL, thread_main, (void *)number++))
				return 1;
		for (int i = 0; i < AT_A_TIME; i++)
			pthread_join(id[i], NULL);
	}
	for (int i = 0; i < LEFT; i++)
		free(left[i]);
	ledger_line((long long)number / 4, (long long)number / 4 * 33, "leak_in_thread;thread_main");
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * collector - stops another thread by a signal wherever that is, as garbage collectors do,
 * and maps, protects and unmaps memory meanwhile. The other one does the same.
 */
#define _GNU_SOURCE 1
#include "ledger.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { ROUNDS = 300, PAGE = 4096 };

static atomic_int stopped, may_go, done;

static void stop(int number)
{
	(void)number;
	atomic_store(&stopped, 1);
	while (!atomic_load(&may_go))
		sched_yield();
	atomic_store(&stopped, 0);
}

static char *reserve(size_t pages)
{
	return mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int leak_open(char *at, size_t pages)
{
	return mprotect(at, pages * PAGE, PROT_READ | PROT_WRITE);
}

static void *mutate(void *arg)
{
	while (!atomic_load(&done)) {
		char *p = reserve(4);

		if (p == MAP_FAILED || leak_open(p, 1) || munmap(p, 4 * PAGE))
			exit(1);
	}
	return arg;
}

static int collect(void)
{
	char *p = reserve(6);

	return p == MAP_FAILED || leak_open(p + PAGE, 3) || munmap(p, 2 * PAGE);
}

static void wait_for(int value)
{
	while (atomic_load(&stopped) != value)
		sched_yield();
}

int main(void)
{
	struct sigaction action = { .sa_handler = stop, .sa_flags = SA_RESTART };
	pthread_t mutator;

	sigaction(SIGUSR1, &action, NULL);
	if (pthread_create(&mutator, NULL, mutate, NULL))
		return 1;
	for (int i = 0; i < ROUNDS; i++) {
		atomic_store(&may_go, 0);
		pthread_kill(mutator, SIGUSR1);
		wait_for(1);
		if (collect())
			return 1;
		atomic_store(&may_go, 1);
		wait_for(0);
	}
	atomic_store(&done, 1);
	pthread_join(mutator, NULL);
	ledger_line(ROUNDS, ROUNDS * 2ll * PAGE, "leak_open;collect;main");
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * loader_lock - allocates for the first time on a stack, and forks a child that does
 * so, while another thread is in a callback of dl_iterate_phdr, which holds a lock
 * of the loader's and waits for the first one: no allocation may need that lock.
 */
#define _GNU_SOURCE 1
#include "ledger.h"

#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool in_callback;

static void *leak_locked(size_t n)
{
	return malloc(n);
}

static void *leak_forked(size_t n)
{
	return malloc(n);
}

static int wait_for_lock(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info;
	(void)size;
	(void)arg;
	in_callback = 1;
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	return 1;
}

static void *iterate(void *arg)
{
	dl_iterate_phdr(wait_for_lock, NULL);
	return arg;
}

static int child(void)
{
	alarm(20);
	return leak_forked(200) ? 0 : 1;
}

int main(void)
{
	pthread_t thread;
	int status = 1;
	pid_t pid;

	alarm(20);
	pthread_mutex_lock(&lock);
	if (pthread_create(&thread, NULL, iterate, NULL))
		return 77;
	while (!in_callback)
		;
	if (!leak_locked(100))
		return 1;
	pid = fork();
	if (!pid)
		return child();
	waitpid(pid, &status, 0);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	ledger_line(1, 100, "leak_locked;main");
	ledger_line(1, 200, "leak_forked;child;main");
	return status ? 1 : 0;
}

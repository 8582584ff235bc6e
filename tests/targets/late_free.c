// SPDX-License-Identifier: MIT
/*
 * late_free - frees where a recorder may be half gone: in destructors of
 * thread-specific data (called again when one allocates), in other threads than
 * the allocation's, and in atexit handlers after main has left by pthread_exit.
 */
#define _GNU_SOURCE 1
#include "ledger.h"

#include <pthread.h>
#include <string.h>

enum { THREADS = 16, BLOCKS = 64 };

static pthread_key_t key;
static void *crossing[THREADS][BLOCKS];
static void *held;

static void *tidy_alloc(size_t n)
{
	return malloc(n);
}

static void *leak_in_destructor(void)
{
	return malloc(48);
}

/* The first round frees and allocates anew, the second leaks, then it ends. */
static void destructor(void *value)
{
	char *text = value;
	int again = !strcmp(text, "first");

	free(text);
	if (again)
		pthread_setspecific(key, strcpy(tidy_alloc(32), "second"));
	else
		leak_in_destructor();
}

static void *thread_main(void *arg)
{
	void **mine = arg;

	pthread_setspecific(key, strcpy(tidy_alloc(16), "first"));
	for (int i = 0; i < BLOCKS; i++)
		mine[i] = tidy_alloc(100);
	return NULL;
}

static void at_exit(void)
{
	free(held);
	free(tidy_alloc(10));
	printf("end\n");
}

static void *last_thread(void *main_thread)
{
	pthread_join(*(pthread_t *)main_thread, NULL);
	ledger_line(THREADS, THREADS * 48, "leak_in_destructor;destructor");
	exit(3);
}

int main(void)
{
	static pthread_t id[THREADS], self, last;

	atexit(at_exit);
	pthread_key_create(&key, destructor);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&id[i], NULL, thread_main, crossing[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(id[i], NULL);
	for (int i = 0; i < THREADS * BLOCKS; i++)
		free(crossing[i / BLOCKS][i % BLOCKS]);
	held = tidy_alloc(1000);
	self = pthread_self();
	pthread_create(&last, NULL, last_thread, &self);
	pthread_exit(NULL);
}

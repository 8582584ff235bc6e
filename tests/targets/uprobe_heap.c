// SPDX-License-Identifier: MIT
/*
 * uprobe_heap [THREADS] - allocates, prints "ready" and reads a line. Then each thread
 * (1) loses a known number of blocks by every function of the malloc family, has
 * reallocations fail, and frees what the others are about to get. Writes the ledger,
 * prints "done", and waits for the end of input.
 */
#define _GNU_SOURCE 1
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "ledger.h"

#define ROUNDS	50
#define OLD	100
#define HUGE	(PTRDIFF_MAX - 4096)

static void *old_blocks[OLD];
static volatile size_t huge = HUGE;
static void *volatile sink;
static volatile int failed;

static void leak_malloc(void)
{
	sink = malloc(24);
}

static void leak_calloc(void)
{
	sink = calloc(3, 11);
}

static void *tidy_malloc(size_t n)
{
	return malloc(n);
}

static void leak_realloc(void)
{
	sink = realloc(tidy_malloc(10), 3000);
}

static void leak_realloc_null(void)
{
	sink = realloc(NULL, 70);
}

static void leak_reallocarray(void)
{
	sink = reallocarray(tidy_malloc(100), 5, 9);
}

/* What could not be made larger stays where it came from. */
static void leak_kept(void)
{
	void *p = malloc(55);

	if (realloc(p, huge) || reallocarray(p, huge, 16))
		failed = 1;
	sink = p;
}

static void leak_posix_memalign(void)
{
	void *p = NULL;

	if (posix_memalign(&p, 64, 500) || !posix_memalign(&p, 3, 500))
		failed = 1;
	sink = p;
}

static void leak_aligned_alloc(void)
{
	sink = aligned_alloc(256, 1024);
}

static void leak_memalign(void)
{
	sink = memalign(128, 200);
}

static void leak_valloc(void)
{
	sink = valloc(90);
}

static void leak_pvalloc(void)
{
	sink = pvalloc(80);
}

static void tidy_all(void)
{
	void *p = realloc(tidy_malloc(100), 0);

	for (int i = 0; i < 20; i++)
		free(tidy_malloc(8 + (size_t)i * 8));
	free(calloc(1, 1000));
	free(memalign(64, 100));
	free(p);
	if (malloc(huge) || calloc(huge, 2))
		failed = 1;
}

static void round_of_all(void)
{
	leak_malloc();
	leak_calloc();
	leak_realloc();
	leak_realloc_null();
	leak_reallocarray();
	leak_kept();
	leak_posix_memalign();
	leak_aligned_alloc();
	leak_memalign();
	leak_valloc();
	leak_pvalloc();
	tidy_all();
}

static void *worker(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		round_of_all();
	return arg;
}

static void write_ledger(long long n)
{
	ledger_line(n, n * 24, "leak_malloc;round_of_all;worker");
	ledger_line(n, n * 33, "leak_calloc;round_of_all;worker");
	ledger_line(n, n * 3000, "leak_realloc;round_of_all;worker");
	ledger_line(n, n * 70, "leak_realloc_null;round_of_all;worker");
	ledger_line(n, n * 45, "leak_reallocarray;round_of_all;worker");
	ledger_line(n, n * 55, "leak_kept;round_of_all;worker");
	ledger_line(n, n * 500, "leak_posix_memalign;round_of_all;worker");
	ledger_line(n, n * 1024, "leak_aligned_alloc;round_of_all;worker");
	ledger_line(n, n * 200, "leak_memalign;round_of_all;worker");
	ledger_line(n, n * 90, "leak_valloc;round_of_all;worker");
	ledger_line(n, n * 80, "leak_pvalloc;round_of_all;worker");
}

static int run_threads(int count)
{
	pthread_t threads[64];

	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, worker, NULL))
			return 2;
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return failed;
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? atoi(argv[1]) : 1;
	char line[64];

	/*
	 * With another allocator preloaded, pvalloc is all that calls the C library's, which
	 * doesn't expect to be set up by several threads at once.
	 */
	mallopt(M_PERTURB, 0);
	for (int i = 0; i < OLD; i++)
		old_blocks[i] = tidy_malloc(16 + (size_t)i);
	puts("ready");
	fflush(stdout);
	if (threads < 1 || threads > 64 || !fgets(line, sizeof(line), stdin))
		return 2;
	for (int i = 0; i < OLD; i++)
		free(old_blocks[i]);
	if (run_threads(threads))
		return 1;
	write_ledger((long long)threads * ROUNDS);
	puts("done");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		;
	return 0;
}

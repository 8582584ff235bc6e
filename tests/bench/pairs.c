// SPDX-License-Identifier: MIT
/*
 * pairs.c - what a malloc + free pair costs: pairs [-t threads] [-d depth] [-p paths] [-n pairs]
 * (or [-m blocks] [-s bytes]: what live blocks cost in memory)
 *
 * One pair in a hundred is kept for a while (10,000 blocks live). Prints
 * nanoseconds per pair and thread. With -p N every call takes another one of N
 * call paths, so that no stack repeats from one call to the next.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KEEP 10000

static long pairs = 4000000;
static int depth = 20, paths = 1, threads = 1;
static size_t block = 64;

struct worker {
	pthread_t thread;
	void *kept[KEEP];
	long done;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static __attribute__((noinline)) void one_pair(struct worker *w)
{
	void *volatile p = malloc(64);
	long n = w->done++;

	if (n % 100 == 0) {
		free(w->kept[n / 100 % KEEP]);
		w->kept[n / 100 % KEEP] = p;
	} else {
		free(p);
	}
}

/*
 * A path is a number; each level takes one of four call sites by two bits of
 * it, so 4^levels different stacks lead to one_pair().
 */
static __attribute__((noinline)) void descend(struct worker *w, int level, unsigned int path, long n)
{
	volatile int here = level;

	if (level == 0) {
		for (long i = 0; i < n; i++)
			one_pair(w);
		here = 0;
		return;
	}
	switch (path & 3) {
	case 0:
		descend(w, level - 1, path >> 2, n);
		here = 1;
		break;
	case 1:
		descend(w, level - 1, path >> 2, n);
		here = 2;
		break;
	case 2:
		descend(w, level - 1, path >> 2, n);
		here = 3;
		break;
	default:
		descend(w, level - 1, path >> 2, n);
		here = 4;
	}
	(void)here;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int levels = depth > 5 ? depth - 5 : 1;	/* main or start_thread and the like are there too */

	if (paths == 1) {
		descend(w, levels, 0, pairs);
		return NULL;
	}
	for (long i = 0; i < pairs; i++)
		descend(w, levels, (unsigned int)(i % paths) * 0x9e3779b1u, 1);
	return NULL;
}

/* -m N: allocates N blocks and prints the resident memory in KiB, files included. */
static int live_blocks(long n)
{
	char line[256];
	FILE *f;

	for (long i = 0; i < n; i++)
		*(void *volatile *)malloc(block) = NULL;
	f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmRSS:", 6))
			printf("%ld\n", atol(line + 6));
	if (f)
		fclose(f);
	return 0;
}

int main(int argc, char **argv)
{
	struct worker *w;
	double start;
	long blocks = 0;
	int opt;

	while ((opt = getopt(argc, argv, "t:d:p:n:m:s:")) > 0) {
		if (opt == 't')
			threads = atoi(optarg);
		else if (opt == 'd')
			depth = atoi(optarg);
		else if (opt == 'p')
			paths = atoi(optarg);
		else if (opt == 'n')
			pairs = atol(optarg);
		else if (opt == 'm')
			blocks = atol(optarg);
		else if (opt == 's')
			block = (size_t)atol(optarg);
		else
			return 1;
	}
	if (blocks)
		return live_blocks(blocks);
	w = calloc((size_t)threads, sizeof(*w));
	start = now();
	for (int i = 0; i < threads; i++)
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	for (int i = 0; i < threads; i++)
		pthread_join(w[i].thread, NULL);
	printf("%.2f\n", (now() - start) * 1e9 / (double)pairs);
	free(w);
	return 0;
}

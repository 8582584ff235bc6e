// SPDX-License-Identifier: MIT
/*
 * musl_frames - leaks by way of functions of the C library that allocate, call back, or
 * are called by the kernel: without frame pointers, and where the C library's own code
 * is described by nothing.
 */
#define _GNU_SOURCE 1
#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __clang__
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noinline, noclone))
#endif

enum { TIMES = 10 };

/* After the call: it is none at the end, which would be a jump. */
static void *volatile sink;

NOINLINE static int leak_strdup(const char *text)
{
	sink = strdup(text);
	return sink != NULL;
}

NOINLINE static int leak_asprintf(int number)
{
	char *text = NULL;
	int len = asprintf(&text, "%d and %f", number, number / 7.0);

	sink = text;
	return len;
}

NOINLINE static int leak_getline(FILE *f)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len = getline(&line, &room, f);

	sink = line;
	return len > 0;
}

NOINLINE static int leak_in_comparison(void)
{
	sink = malloc(33);
	return sink == NULL;
}

NOINLINE static int compare(const void *a, const void *b)
{
	static int done;

	if (!done++)
		leak_in_comparison();
	return *(const int *)a - *(const int *)b;
}

NOINLINE static int leak_while_sorting(void)
{
	int numbers[16] = { 5, 3, 9, 1 };

	qsort(numbers, 16, sizeof(numbers[0]), compare);
	return numbers[0];
}

NOINLINE static int leak_tree(void **root)
{
	static const int keys[TIMES];
	int n = 0;

	for (int i = 0; i < TIMES; i++)
		n += tsearch(&keys[i], root, compare) != NULL;
	return n;
}

NOINLINE static int leak_in_handler(void)
{
	sink = malloc(77);
	return sink == NULL;
}

static void handler(int sig)
{
	leak_in_handler();
	(void)sig;
}

NOINLINE static int raising(void)
{
	int err = raise(SIGUSR1);

	return err || !sink;
}

NOINLINE static int once_in_process(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, (void (*)(void))leak_in_comparison);
	return sink != NULL;
}

int main(void)
{
	FILE *f = fmemopen((char *)"one line\n", 9, "r");
	void *root = NULL;

	signal(SIGUSR1, handler);
	for (int i = 0; i < TIMES; i++) {
		leak_strdup("twenty bytes of text");
		leak_asprintf(i);
	}
	leak_getline(f);
	fclose(f);
	leak_while_sorting();
	leak_tree(&root);
	raising();
	once_in_process();
	return 0;
}

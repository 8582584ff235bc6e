// SPDX-License-Identifier: MIT
/*
 * attach_storm THREADS [fork|exec|LIBRARY] - allocates, moves and frees blocks in
 * many threads, and checks on the way that each block still holds what was put
 * there. The main thread meanwhile forks, runs a program, or loads and unloads
 * LIBRARY (calling its plugin_entry(1)), again and again.
 *
 * Prints "ready"; runs until standard input ends; prints "ok OPERATIONS" and the
 * number of things the main thread did. Exit status 3: a block was damaged.
 */
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS 64
#define MAX_SIZE 2000

static atomic_bool stop;
static atomic_ulong operations;

struct block {
	unsigned char *at;
	size_t size;
	unsigned char fill;
};

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void damaged(const struct block *b, size_t i)
{
	printf("damaged: block %p of %zu bytes, byte %zu is %02x, not %02x\n", (void *)b->at,
	       b->size, i, b->at[i], b->fill);
	fflush(stdout);
	_exit(3);
}

static void verify(const struct block *b)
{
	for (size_t i = 0; i < b->size; i++)
		if (b->at[i] != b->fill)
			damaged(b, i);
}

static void fill(struct block *b, uint32_t *random)
{
	b->fill = (unsigned char)next_random(random);
	memset(b->at, b->fill, b->size);
}

static void one_operation(struct block *b, uint32_t *random)
{
	size_t size = next_random(random) % MAX_SIZE + 1;

	if (b->at)
		verify(b);
	switch (next_random(random) % 4) {
	case 0:
		b->at = realloc(b->at, size);
		break;
	case 1:
		free(b->at);
		b->at = calloc(1, size);
		b->fill = 0;
		b->size = size;
		verify(b);
		break;
	case 2:
		free(b->at);
		b->at = aligned_alloc(64, (size + 63) & ~(size_t)63);
		break;
	default:
		free(b->at);
		b->at = malloc(size);
	}
	b->size = size;
	if (!b->at)
		abort();
	fill(b, random);
}

static void *storm(void *arg)
{
	uint32_t random = 2463534242u + (uint32_t)(uintptr_t)arg * 7919u;
	struct block blocks[BLOCKS] = { 0 };
	unsigned long n = 0;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		one_operation(&blocks[next_random(&random) % BLOCKS], &random);
		n++;
	}
	for (int i = 0; i < BLOCKS; i++) {
		if (blocks[i].at)
			verify(&blocks[i]);
		free(blocks[i].at);
	}
	atomic_fetch_add(&operations, n);
	return NULL;
}

/* The child allocates, too, and must not disturb what the parent records. */
static void do_fork(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct block b = { malloc(100), 100, 0 };
		uint32_t random = 1;

		fill(&b, &random);
		verify(&b);
		free(b.at);
		_exit(0);
	}
	if (pid > 0 && (waitpid(pid, &status, 0) != pid || status)) {
		printf("damaged: a forked child ended with %x\n", (unsigned)status);
		fflush(stdout);
		_exit(3);
	}
}

static void do_exec(void)
{
	int status = system("exit 0");

	if (status) {
		printf("damaged: a program run ended with %x\n", (unsigned)status);
		fflush(stdout);
		_exit(3);
	}
}

static void do_load(const char *path)
{
	void *library = dlopen(path, RTLD_NOW);
	void *(*entry)(size_t) = library ? (void *(*)(size_t))dlsym(library, "plugin_entry") : NULL;

	if (!library) {
		printf("damaged: %s\n", dlerror());
		fflush(stdout);
		_exit(3);
	}
	if (entry)
		free(entry(1));
	dlclose(library);
}

static bool input_ended(int timeout_ms)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };
	char c;

	return poll(&p, 1, timeout_ms) > 0 && read(0, &c, 1) <= 0;
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? atoi(argv[1]) : 4;
	const char *what = argc > 2 ? argv[2] : "";
	unsigned long done = 0;
	pthread_t *all = calloc((size_t)threads, sizeof(*all));

	for (int i = 0; i < threads; i++)
		if (pthread_create(&all[i], NULL, storm, (void *)(uintptr_t)i))
			return 2;
	printf("ready\n");
	fflush(stdout);
	for (; !input_ended(*what ? 0 : 10); done++) {
		if (!strcmp(what, "fork"))
			do_fork();
		else if (!strcmp(what, "exec"))
			do_exec();
		else if (*what)
			do_load(what);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < threads; i++)
		pthread_join(all[i], NULL);
	free(all);
	printf("ok %lu %lu\n", operations, done);
	return 0;
}

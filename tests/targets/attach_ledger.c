// SPDX-License-Identifier: MIT
/*
 * attach_ledger DIRECTORY - allocates, prints "ready" and reads a line. Then it
 * frees half of what it had, and 8 threads leak, each a known number of blocks
 * from functions of the program and of three libraries in DIRECTORY: one linked
 * at start (by dlopen), one whose entries are bound lazily, and one that is loaded
 * only now; and it makes a part of what it reserves accessible. Writes the ledger,
 * prints "done", and waits for the end of input.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "ledger.h"

#define THREADS	8
#define ROUNDS	500
#define OLD	4000
#define PAGE	4096

typedef void *entry_fn(size_t n);

static void *old_blocks[OLD];
static entry_fn *plugin, *other_plugin, *late;
static atomic_uintptr_t sink;

static void *leak_malloc(size_t n)
{
	return malloc(n);
}

/* As in tables of allocation functions; a program that is not position-independent
 * thereby makes its own PLT entry the address of malloc everywhere. */
static void *(*const volatile malloc_pointer)(size_t) = malloc;

static void *leak_by_pointer(size_t n)
{
	return malloc_pointer(n);
}

static void *leak_calloc(size_t n)
{
	return calloc(1, n);
}

static void *leak_strdup(const char *text)
{
	return strdup(text);
}

static void *tidy_malloc(size_t n)
{
	return malloc(n);
}

static int leak_open(void *at, size_t n)
{
	return mprotect(at, n, PROT_READ | PROT_WRITE);
}

static void keep(void *p)
{
	atomic_fetch_xor(&sink, (uintptr_t)p);
}

static void *worker(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		keep(leak_malloc(24));
		keep(leak_calloc(40));
		keep(leak_by_pointer(80));
		keep(leak_strdup("a string of some length"));
		keep(plugin(100));
		keep(other_plugin(48));
		keep(late(64));
		free(tidy_malloc(1000));
	}
	return arg;
}

static void *idle(void *arg)
{
	return arg;
}

static int reserve_and_open(void)
{
	char *p = mmap(NULL, 100 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && !leak_open(p + 10 * PAGE, 5 * PAGE);
}

static entry_fn *load(const char *directory, const char *name, const char *entry, int mode)
{
	char path[4096];
	void *library;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	library = dlopen(path, mode);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	return (entry_fn *)dlsym(library, entry);
}

static void write_ledger(void)
{
	long long n = THREADS * ROUNDS;

	ledger_line(n, n * 24, "leak_malloc;worker");
	ledger_line(n, n * 40, "leak_calloc;worker");
	ledger_line(n, n * 80, "leak_by_pointer;worker");
	ledger_line(n, n * 24, "leak_strdup;worker");
	ledger_line(n, n * 100, "leak_in_plugin;plugin_entry;worker");
	ledger_line(n, n * 48, "leak_in_other_plugin;plugin_entry;worker");
	ledger_line(n, n * 64, "leak_in_late_library;worker");
	ledger_line(1, 5 * PAGE, "leak_open;reserve_and_open;main");
	ledger_line(1, 777, "leak_in_constructor;late_constructor");
}

int main(int argc, char **argv)
{
	const char *directory = argc > 1 ? argv[1] : ".";
	pthread_t threads[THREADS];
	char line[64];

	for (int i = 0; i < OLD; i++)
		old_blocks[i] = tidy_malloc(16 + (size_t)i % 500);
	/* The C library takes a signal for itself with the first thread. */
	if (pthread_create(&threads[0], NULL, idle, NULL) || pthread_join(threads[0], NULL))
		return 2;
	plugin = load(directory, "libplugin.so", "plugin_entry", RTLD_NOW);
	other_plugin = load(directory, "libplugin2.so", "plugin_entry", RTLD_LAZY);
	printf("ready\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 2;
	for (int i = 0; i < OLD; i += 2)
		free(old_blocks[i]);
	late = load(directory, "libattach_late.so", "leak_in_late_library", RTLD_NOW);
	if (!reserve_and_open())
		return 2;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, worker, NULL))
			return 2;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	write_ledger();
	printf("done\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		;
	return 0;
}

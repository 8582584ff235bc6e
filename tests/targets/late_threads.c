// SPDX-License-Identifier: MIT
/*
 * late_threads DIRECTORY [ROUNDS] - knows nothing of threads: the library that starts
 * them is loaded when the program has long allocated. (Before 2.34, glibc's libpthread
 * comes with it.)
 */
#include "ledger.h"

#include <dlfcn.h>

static void *leak_alone(size_t n)
{
	return malloc(n);
}

int main(int argc, char **argv)
{
	const char *directory = argc > 1 ? argv[1] : ".";
	int rounds = argc > 2 ? atoi(argv[2]) : 50;
	int (*run)(int rounds);
	char path[4096];
	void *library;

	if (!leak_alone(10))
		return 1;
	snprintf(path, sizeof(path), "%s/liblate_threads.so", directory);
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	*(void **)&run = dlsym(library, "run_threads");
	if (!run || run(rounds) || dlclose(library) || !leak_alone(20))
		return 1;
	ledger_line(2, 30, "leak_alone;main");
	return 0;
}

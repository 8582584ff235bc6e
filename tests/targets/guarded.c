// SPDX-License-Identifier: MIT
/*
 * guarded [any | undumpable | PID] - who may trace it: anybody of its user as far as the
 * system allows; anybody (PR_SET_PTRACER); nobody but root; or a process and its
 * descendants. Says "ready" and, for each line it reads, leaks 10 blocks of 100
 * bytes among many that it frees, and says "leaked".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

static void *leak_guarded(size_t n)
{
	return malloc(n);
}

static void *tidy_guarded(size_t n)
{
	return malloc(n);
}

static void *volatile kept;

static int guard(const char *how)
{
	if (!strcmp(how, "any"))
		return prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	if (!strcmp(how, "undumpable"))
		return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return prctl(PR_SET_PTRACER, strtoul(how, NULL, 10), 0, 0, 0);
}

int main(int argc, char **argv)
{
	char line[64];

	if (argc > 1 && guard(argv[1]))
		return 2;
	setvbuf(stdout, NULL, _IONBF, 0);
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		for (int i = 0; i < 1000; i++) {
			if (i < 10)
				kept = leak_guarded(100);
			free(tidy_guarded(100));
		}
		puts("leaked");
	}
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * leaker KIND BYTES - waits for a byte on stdin, loses BYTES by the function KIND
 * names, and ends at once. KIND no_leak gives them back.
 */
#define _GNU_SOURCE 1
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *lose(const char *kind, size_t n)
{
	void *p = NULL;

	if (!strcmp(kind, "malloc"))
		return malloc(n);
	if (!strcmp(kind, "calloc"))
		return calloc(n / 10, 10);
	if (!strcmp(kind, "realloc"))
		return realloc(malloc(10), n);
	if (!strcmp(kind, "posix_memalign"))
		return posix_memalign(&p, 512, n) ? NULL : p;
	if (!strcmp(kind, "valloc"))
		return valloc(n);
	if (!strcmp(kind, "memalign"))
		return memalign(512, n);
	if (!strcmp(kind, "pvalloc"))
		return pvalloc(n);
	if (!strcmp(kind, "aligned_alloc"))
		return aligned_alloc(512, n);
	if (!strcmp(kind, "no_leak"))
		return strcpy(malloc(n), "freed below");
	return NULL;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "malloc";
	size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 30000;
	char byte;
	void *p;

	if (read(STDIN_FILENO, &byte, 1) < 0)
		return 2;
	p = lose(kind, n);
	if (!p)
		return 1;
	if (!strcmp(kind, "no_leak"))
		free(p);
	return 0;
}

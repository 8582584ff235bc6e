// SPDX-License-Identifier: MIT
/*
 * early - allocates before any constructor has run, when the shim can't know its
 * settings yet, and frees, resizes and loses those blocks later. Constructors'
 * blocks are recorded.
 */
#include "ledger.h"

#include <string.h>

static char *kept, *freed, *grown;

static char *early_alloc(size_t n)
{
	return malloc(n);
}

static char *leak_grown(char *p, size_t n)
{
	return realloc(p, n);
}

static void before_all(int argc, char **argv, char **envp)
{
	(void)argc;
	(void)argv;
	(void)envp;
	kept = early_alloc(100);
	freed = early_alloc(200);
	grown = strcpy(early_alloc(300), "grown");
}

__attribute__((used, section(".preinit_array")))
static void (*const first)(int, char **, char **) = before_all;

static char *leak_in_constructor(void)
{
	return malloc(400);
}

__attribute__((constructor)) static void constructor(void)
{
	leak_in_constructor();
}

int main(void)
{
	free(freed);
	grown = leak_grown(grown, 100000);
	ledger_line(1, 400, "leak_in_constructor;constructor");
	ledger_line(1, 100000, "leak_grown;main");
	return !kept || strcmp(grown, "grown") != 0;
}

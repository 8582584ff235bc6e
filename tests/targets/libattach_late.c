// SPDX-License-Identifier: MIT
/* A library that attach_ledger loads while it is attached to: it leaks from its constructor on. */
#include <stdlib.h>
#include <string.h>

void *leak_in_late_library(size_t n);
void *leak_in_constructor(void);
void *late_constructor_block;

void *leak_in_constructor(void)
{
	return malloc(777);
}

void *leak_in_late_library(size_t n)
{
	return realloc(malloc(1), n);
}

__attribute__((constructor)) static void late_constructor(void)
{
	late_constructor_block = leak_in_constructor();
}

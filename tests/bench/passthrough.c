// SPDX-License-Identifier: MIT
/* passthrough.c - a shim that only passes malloc and free on: the floor of any preload tool. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

static void *(*next_malloc)(size_t);
static void (*next_free)(void *);

void *malloc(size_t size)
{
	if (!next_malloc)
		*(void **)&next_malloc = dlsym(RTLD_NEXT, "malloc");
	return next_malloc(size);
}

void free(void *p)
{
	if (!next_free)
		*(void **)&next_free = dlsym(RTLD_NEXT, "free");
	next_free(p);
}

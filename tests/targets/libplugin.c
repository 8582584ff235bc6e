// SPDX-License-Identifier: MIT
/* A library that leaks, for dlclose.c. Built twice, under two names of function. */
#include <stdlib.h>

#ifndef PLUGIN_LEAK
#define PLUGIN_LEAK leak_in_plugin
#endif

void *PLUGIN_LEAK(size_t n);
void *plugin_entry(size_t n);

void *PLUGIN_LEAK(size_t n)
{
	return malloc(n);
}

void *plugin_entry(size_t n)
{
	return PLUGIN_LEAK(n);
}

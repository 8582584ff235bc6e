// SPDX-License-Identifier: MIT
/*
 * dlclose DIRECTORY - leaks in two libraries in turn, unloaded after each use, so
 * that both have (as a rule) been at the same addresses.
 */
#define _GNU_SOURCE 1
#include "ledger.h"

#include <dlfcn.h>

static int use(const char *directory, const char *library, size_t n)
{
	char path[4096];
	void *(*entry)(size_t);
	void *handle;

	snprintf(path, sizeof(path), "%s/%s", directory, library);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		fprintf(stderr, "%s\n", dlerror());
		return 0;
	}
	*(void **)&entry = dlsym(handle, "plugin_entry");
	return entry && entry(n) && !dlclose(handle) && !dlopen(path, RTLD_NOW | RTLD_NOLOAD);
}

int main(int argc, char **argv)
{
	const char *directory = argc > 1 ? argv[1] : ".";

	for (int i = 0; i < 10; i++) {
		if (!use(directory, "libplugin.so", 1000) || !use(directory, "libplugin2.so", 2000))
			return 1;
	}
	ledger_line(10, 10000, "leak_in_plugin;plugin_entry;use;main");
	ledger_line(10, 20000, "leak_in_other_plugin;plugin_entry;use;main");
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * allocator.h - where the functions of a memory allocator are in an ELF file: by
 * .dynsym and .symtab, or those of a separate debug file or .gnu_debugdata.
 *
 * The file is untrusted: it is what some process has mapped. One thread at a time.
 */
#ifndef KAGENT_ALLOCATOR_H
#define KAGENT_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum allocator_scope {
	ALLOCATOR_EXPORTED,	/* what other objects can bind to */
	ALLOCATOR_ALL,		/* any function of a known name */
	ALLOCATOR_NEW,		/* C++ operator new alone, exported */
	ALLOCATOR_REGIONS,	/* the C library's mmap() and its like */
	ALLOCATOR_LOADER,	/* where a dynamic loader says that it has mapped something */
};

struct allocator_probe {
	uint64_t offset;	/* in the file */
	uint32_t function;	/* enum ku_function */
	const char *name;	/* constant */
};

#define ALLOCATOR_PROBES 96

struct allocator {
	char path[4096];	/* to attach to */
	enum allocator_scope scope;
	struct allocator_probe probe[ALLOCATOR_PROBES];	/* each address once; malloc last */
	size_t count;
};

/*
 * Finds the functions in the file. 0; -ENOENT: there is no such file, or no function
 * that allocates in it; -ENOEXEC: no 64-bit ELF file of this machine; or -errno.
 */
int allocator_find(const char *path, enum allocator_scope scope, struct allocator *out);

#endif

// SPDX-License-Identifier: MIT
/*
 * real.h - the functions behind the hooks: the next definition in the
 * program's search order (the C library's, or another allocator's).
 */
#ifndef PRELOAD_REAL_H
#define PRELOAD_REAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "compiler.h"

struct real_functions {
	/* required: without them nothing works, so they fall back to the early arena */
	void *(*malloc)(size_t);	/* (asks for min_size itself) */
	void (*free)(void *);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	/* optional: NULL where this C library has none */
	void *(*reallocarray)(void *, size_t, size_t);
	void *(*memalign)(size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*valloc)(size_t);
	void *(*pvalloc)(size_t);
	size_t (*malloc_usable_size)(void *);
	void *(*mmap)(void *, size_t, int, int, int, off_t);
	int (*munmap)(void *, size_t);
	void *(*mremap)(void *, size_t, size_t, int, ...);
	int (*mprotect)(void *, size_t, int);
	int (*pkey_mprotect)(void *, size_t, int, int);
	int (*dlclose)(void *);
	void (*exit_now)(int);		/* _exit */
	int (*setuid)(uid_t);
	int (*seteuid)(uid_t);
	int (*setreuid)(uid_t, uid_t);
	int (*setresuid)(uid_t, uid_t, uid_t);
	/* where the real malloc lives, when that is not the C library; else 0, 0 */
	uintptr_t allocator_start, allocator_end;
	size_t min_size;		/* smallest request passed on, 0: any; see live_table.h */
	/*
	 * Another allocator comes before this library in the search order (preloaded
	 * first, or the program's own): the program's blocks are that one's, and calls
	 * that reach a hook all the same must be passed on untouched.
	 */
	bool bypassed;
	bool resolved;
	bool ready;			/* resolved and not bypassed */
};

extern struct real_functions real __attribute__((visibility("hidden")));

/*
 * (Not COLD: gcc then takes every hook, which calls this in one branch, for cold.)
 * Resolves all, once. False while the resolution is under way (this is dlsym
 * calling), and when the allocator is bypassed.
 */
__attribute__((noinline)) bool real_resolve(void);

static ALWAYS_INLINE bool real_ready(void)
{
	return likely(__atomic_load_n(&real.ready, __ATOMIC_ACQUIRE)) || real_resolve();
}

/* The next definition of @name, or NULL. */
void *real_symbol(const char *name);

/*
 * Attached to a running program, this library is not in its search order: @lookup
 * says what a name means there. Resolves all anew. No hook may be running.
 */
bool real_use(void *(*lookup)(const char *name));

#endif

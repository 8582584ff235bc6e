// SPDX-License-Identifier: MIT
/* real.c - see real.h. */
#include "real.h"

#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "elf_object.h"
#include "libdl.h"
#include "objects.h"
#include "real_musl.h"

struct real_functions real;

static atomic_int resolving;
static void *(*lookup_name)(const char *name);

void *real_symbol(const char *name)
{
	return lookup_name ? lookup_name(name) : libdl_next(name);
}

#define RESOLVE(member, name) (*(void **)&real.member = real_symbol(name))

WEAK_IMPORT(dladdr1);

struct containing {
	uintptr_t addr, start, end;
	bool libc;
};

static int find_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct containing *c = arg;
	uintptr_t start = UINTPTR_MAX, end = 0;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		if (at < start)
			start = at;
		if (at + info->dlpi_phdr[i].p_memsz > end)
			end = at + info->dlpi_phdr[i].p_memsz;
	}
	if (c->addr < start || c->addr >= end)
		return 0;
	c->start = start;
	c->end = end;
	c->libc = strstr(info->dlpi_name, "/libc.so") || strstr(info->dlpi_name, "/libc-2.") ||
		  strstr(info->dlpi_name, "/ld-musl");
	return 1;
}

/* Other allocators have classes of 8 and 24 bytes; 32 keeps every block 32 bytes from the next. */
static void find_allocator(void)
{
	struct containing c = { .addr = (uintptr_t)real.malloc };

	real.min_size = 0;
	if (!dl_iterate_phdr(find_object, &c) || c.libc)
		return;
	real.allocator_start = c.start;
	real.allocator_end = c.end;
	real.min_size = 32;
}

/* This library, from the linker. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

/* Does the program's @name lead elsewhere than here? -1: that cannot be told. */
static int leads_elsewhere(const char *name)
{
	const ElfW(Sym) *sym = NULL;
	char *at = libdl_first(name);
	Dl_info info;

	if (at >= __ehdr_start && at < _end)
		return 0;
	if (!at || !dladdr1(at, &info, (void **)&sym, RTLD_DL_SYMENT))
		return -1;
	/*
	 * A program at a fixed address that takes malloc's address answers with its
	 * own PLT entry, an undefined symbol that has a value. It says nothing.
	 */
	if (sym && sym->st_shndx == SHN_UNDEF)
		return -1;
	return 1;
}

/* Is this library the first of all objects to define malloc? 1: yes; 2: another is. */
static int find_first(struct dl_phdr_info *info, size_t size, void *arg)
{
	const struct elf_name *name = arg;
	struct elf_object o;
	uint32_t state = 0;

	(void)size;
	if (!elf_object_open(&o, info) || !elf_object_function(&o, name, &state))
		return 0;
	return elf_object_contains(&o, (uintptr_t)find_first) ? 1 : 2;
}

/* In a running program (real_use) all names lead elsewhere, which says nothing. */
static bool is_bypassed(void)
{
	static const char *const names[] = { "malloc", "calloc", "posix_memalign", "aligned_alloc" };
	struct elf_name first = elf_name(names[0]);

	if (lookup_name)
		return false;
	if (!dladdr1)
		return dl_iterate_phdr(find_first, &first) == 2;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int answer = leads_elsewhere(names[i]);

		if (answer >= 0)
			return answer;
	}
	return false;
}

static void *(*next_malloc)(size_t size);

static void *roomy_malloc(size_t size)
{
	return next_malloc(size < real.min_size ? real.min_size : size);
}

bool real_resolve(void)
{
	int idle = 0;

	if (!atomic_compare_exchange_strong(&resolving, &idle, 1))
		return __atomic_load_n(&real.ready, __ATOMIC_ACQUIRE);
	RESOLVE(free, "free");
	RESOLVE(calloc, "calloc");
	RESOLVE(realloc, "realloc");
	RESOLVE(reallocarray, "reallocarray");
	RESOLVE(memalign, "memalign");
	RESOLVE(aligned_alloc, "aligned_alloc");
	RESOLVE(posix_memalign, "posix_memalign");
	RESOLVE(valloc, "valloc");
	RESOLVE(pvalloc, "pvalloc");
	RESOLVE(malloc_usable_size, "malloc_usable_size");
	RESOLVE(mmap, "mmap");
	RESOLVE(munmap, "munmap");
	RESOLVE(setuid, "setuid");
	RESOLVE(seteuid, "seteuid");
	RESOLVE(setreuid, "setreuid");
	RESOLVE(setresuid, "setresuid");
	RESOLVE(mremap, "mremap");
	RESOLVE(mprotect, "mprotect");
	RESOLVE(pkey_mprotect, "pkey_mprotect");
	RESOLVE(dlclose, "dlclose");
	RESOLVE(exit_now, "_exit");
	RESOLVE(malloc, "malloc");
	if (!real.malloc || !real.free || !real.calloc || !real.realloc)
		return false;
	find_allocator();
	objects_init();
	real_musl_amend();
	real.bypassed = is_bypassed();
	next_malloc = real.malloc;
	if (real.min_size && !real.bypassed)
		real.malloc = roomy_malloc;
	__atomic_store_n(&real.resolved, true, __ATOMIC_RELEASE);
	__atomic_store_n(&real.ready, !real.bypassed, __ATOMIC_RELEASE);
	return !real.bypassed;
}

bool real_use(void *(*lookup)(const char *name))
{
	lookup_name = lookup;
	__atomic_store_n(&real.ready, false, __ATOMIC_RELEASE);
	__atomic_store_n(&real.resolved, false, __ATOMIC_RELEASE);
	atomic_store(&resolving, 0);
	return real_resolve();
}

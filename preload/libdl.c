// SPDX-License-Identifier: MIT
/* libdl.c - see libdl.h. */
#include "libdl.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>

#include "compiler.h"
#include "elf_object.h"

/* Its address in the global scope tells preloaded from injected. */
extern const int libleak_present;
EXPORT const int libleak_present = 1;

WEAK_IMPORT(dlopen);
WEAK_IMPORT(dlsym);

struct search {
	struct elf_name name;
	bool behind;		/* only behind this library */
	void *found;
};

/* What an IFUNC of the object chooses is not known before it has been relocated: it is left out. */
static int look_in(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *s = arg;
	struct elf_object o;
	uint32_t state = 0, at;

	(void)size;
	if (!elf_object_open(&o, info))
		return 0;
	if (s->behind) {
		s->behind = !elf_object_contains(&o, (uintptr_t)look_in);
		return 0;
	}
	at = elf_object_function(&o, &s->name, &state);
	if (at)
		s->found = (void *)(o.bias + o.symtab[at].st_value);
	return s->found != NULL;
}

static void *search(const char *name, bool behind)
{
	struct search s = { .name = elf_name(name), .behind = behind };

	dl_iterate_phdr(look_in, &s);
	return s.found;
}

void *libdl_first(const char *name)
{
	return dlsym ? dlsym(RTLD_DEFAULT, name) : search(name, false);
}

/* RTLD_NEXT looks behind the object that calls dlsym, which is this one. */
void *libdl_next(const char *name)
{
	return dlsym ? dlsym(RTLD_NEXT, name) : search(name, true);
}

void *libdl_in(const char *library, const char *name)
{
	void *lib = dlopen ? dlopen(library, RTLD_LAZY | RTLD_NOLOAD) : NULL;
	void *fn = lib ? dlsym(lib, name) : NULL;

	if (lib)
		dlclose(lib);
	return fn;
}

/* What is preloaded comes before the C library. */
static int find_earlier(struct dl_phdr_info *info, size_t size, void *late)
{
	struct elf_object o;

	(void)size;
	if (!elf_object_open(&o, info))
		return 0;
	*(bool *)late = elf_object_contains(&o, (uintptr_t)dl_iterate_phdr);
	return *(bool *)late || elf_object_contains(&o, (uintptr_t)find_earlier);
}

/*
 * Then nothing of this library is in the global scope. (RTLD_DEFAULT would look in the
 * library's own scope, too.)
 */
bool libdl_loaded_late(void)
{
	void *program;
	bool late = false;

	if (!dlopen) {
		dl_iterate_phdr(find_earlier, &late);
		return late;
	}
	program = dlopen(NULL, RTLD_LAZY);
	return program && dlsym(program, "libleak_present") != (const void *)&libleak_present;
}

// SPDX-License-Identifier: MIT
/*
 * allocator.c - see allocator.h. Names: C11 and C23 7.24.3, malloc(3), posix_memalign(3);
 * C++ operators as mangled by the Itanium C++ ABI 5.1.
 */
#define _GNU_SOURCE
#include "kagent/allocator.h"

#include "kagent/elfid.h"
#include "kagent/uprobe_events.h"

#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct known {
	const char *name;
	uint32_t function;
};

static const struct known c_functions[] = {
	{ "malloc", KU_MALLOC }, { "calloc", KU_CALLOC }, { "realloc", KU_REALLOC },
	{ "reallocarray", KU_REALLOCARRAY }, { "memalign", KU_MEMALIGN },
	{ "posix_memalign", KU_POSIX_MEMALIGN }, { "aligned_alloc", KU_ALIGNED_ALLOC },
	{ "valloc", KU_VALLOC }, { "pvalloc", KU_PVALLOC },
	{ "free", KU_FREE }, { "cfree", KU_FREE }, { "free_sized", KU_FREE },
	{ "free_aligned_sized", KU_FREE },
};

static const char *const operators_new[] = {
	"_Znwm", "_Znam", "_ZnwmRKSt9nothrow_t", "_ZnamRKSt9nothrow_t", "_ZnwmSt11align_val_t",
	"_ZnamSt11align_val_t", "_ZnwmSt11align_val_tRKSt9nothrow_t",
	"_ZnamSt11align_val_tRKSt9nothrow_t",
};

static const char *const operators_delete[] = {
	"_ZdlPv", "_ZdaPv", "_ZdlPvm", "_ZdaPvm", "_ZdlPvRKSt9nothrow_t", "_ZdaPvRKSt9nothrow_t",
	"_ZdlPvSt11align_val_t", "_ZdaPvSt11align_val_t", "_ZdlPvmSt11align_val_t",
	"_ZdaPvmSt11align_val_t", "_ZdlPvSt11align_val_tRKSt9nothrow_t",
	"_ZdaPvSt11align_val_tRKSt9nothrow_t",
};

/* What allocators put in front of the names when they are built into a program. */
static const char *const prefixes[] = { "", "je_", "tc_", "mi_" };

struct search {
	struct allocator *a;
	enum allocator_scope scope;
	struct elfid elf;
};

/* ---- names ------------------------------------------------------------------ */

static const char *listed(const char *name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(name, list[i]))
			return list[i];
	return NULL;
}

static bool find_c(const char *name, struct known *k)
{
	for (size_t p = 0; p < sizeof(prefixes) / sizeof(*prefixes); p++) {
		size_t len = strlen(prefixes[p]);

		if (strncmp(name, prefixes[p], len))
			continue;
		for (size_t i = 0; i < sizeof(c_functions) / sizeof(*c_functions); i++) {
			if (!strcmp(name + len, c_functions[i].name)) {
				*k = c_functions[i];
				return true;
			}
		}
	}
	return false;
}

static bool find_region(const char *name, struct known *k)
{
	static const struct known functions[] = {
		{ "mmap", KU_MMAP }, { "mmap64", KU_MMAP }, { "mremap", KU_MREMAP },
		{ "munmap", KU_MUNMAP }, { "mprotect", KU_MPROTECT },
		{ "pkey_mprotect", KU_MPROTECT },
	};

	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		if (!strcmp(name, functions[i].name)) {
			*k = functions[i];
			return true;
		}
	}
	return false;
}

static bool find_known(const struct search *s, const char *name, struct known *k)
{
	if (s->scope == ALLOCATOR_REGIONS)
		return find_region(name, k);
	if (s->scope == ALLOCATOR_LOADER) {
		*k = (struct known){ "_dl_debug_state", KU_LOADED };
		return !strcmp(name, k->name);
	}
	*k = (struct known){ listed(name, operators_new,
				    sizeof(operators_new) / sizeof(*operators_new)), KU_NEW };
	if (k->name || s->scope == ALLOCATOR_NEW)
		return k->name != NULL;
	*k = (struct known){ listed(name, operators_delete,
				    sizeof(operators_delete) / sizeof(*operators_delete)),
			     KU_DELETE };
	return k->name || find_c(name, k);
}

/* The offset in the file of an address in its own terms; UINT64_MAX: not in the file. */
static uint64_t offset_of(const struct elfid *e, uint64_t addr)
{
	for (uint32_t i = 0; i < e->segments; i++)
		if (addr >= e->segment[i].vaddr && addr - e->segment[i].vaddr < e->segment[i].size)
			return e->segment[i].offset + (addr - e->segment[i].vaddr);
	return UINT64_MAX;
}

static void take_symbol(struct search *s, const char *name, const GElf_Sym *sym, uint64_t addr)
{
	struct allocator *a = s->a;
	struct known k;
	uint64_t offset;

	if (GELF_ST_TYPE(sym->st_info) != STT_FUNC || !name || !find_known(s, name, &k))
		return;
	offset = offset_of(&s->elf, addr);
	if (offset == UINT64_MAX || a->count == ALLOCATOR_PROBES)
		return;
	for (size_t i = 0; i < a->count; i++)
		if (a->probe[i].offset == offset)
			return;
	a->probe[a->count++] = (struct allocator_probe){ offset, k.function, k.name };
}

/* ---- symbol tables ---------------------------------------------------------- */

static void read_table(struct search *s, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t count = data && header->sh_entsize ? data->d_size / header->sh_entsize : 0;
	GElf_Sym sym;

	for (size_t i = 0; i < count; i++)
		if (gelf_getsym(data, (int)i, &sym) && sym.st_shndx != SHN_UNDEF &&
		    sym.st_shndx < SHN_LORESERVE)
			take_symbol(s, elf_strptr(elf, header->sh_link, sym.st_name), &sym,
				    sym.st_value);
}

static void read_tables(struct search *s, Elf *elf, GElf_Word type)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &header) && header.sh_type == type)
			read_table(s, elf, section, &header);
}

/* .gnu_debugdata and the separate debug file, wherever elfutils finds it. */
static void read_debug_file(struct search *s, Dwfl_Module *module)
{
	int count = dwfl_module_getsymtab(module);

	for (int i = 1; i < count; i++) {
		GElf_Word section = SHN_UNDEF;
		GElf_Addr addr;
		GElf_Sym sym;
		const char *name = dwfl_module_getsym_info(module, i, &sym, &addr, &section, NULL,
							   NULL);

		if (section != SHN_UNDEF && section != SHN_ABS)
			take_symbol(s, name, &sym, addr);
	}
}

static bool allocates(const struct allocator *a)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->probe[i].function != KU_FREE && a->probe[i].function != KU_DELETE)
			return true;
	return false;
}

static void search_module(struct search *s, Dwfl_Module *module)
{
	GElf_Addr bias;
	Elf *elf = dwfl_module_getelf(module, &bias);

	if (!elf)
		return;
	read_tables(s, elf, SHT_DYNSYM);
	if (s->scope == ALLOCATOR_ALL)
		read_tables(s, elf, SHT_SYMTAB);
	if (s->scope == ALLOCATOR_ALL && !allocates(s->a))
		read_debug_file(s, module);
}

static int search_file(struct search *s, const char *path)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_build_id_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.section_address = dwfl_offline_section_address,
	};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	Dwfl *dwfl = fd < 0 ? NULL : dwfl_begin(&callbacks);
	Dwfl_Module *module;

	if (!dwfl) {
		int err = fd < 0 ? -errno : -ENOMEM;

		if (fd >= 0)
			close(fd);
		return err;
	}
	dwfl_report_begin(dwfl);
	module = dwfl_report_elf(dwfl, "allocator", path, fd, 0, true);
	if (!module)
		close(fd);
	dwfl_report_end(dwfl, NULL, NULL);
	if (module)
		search_module(s, module);
	dwfl_end(dwfl);
	return module ? 0 : -ENOEXEC;
}

/* What others are made of is met most often: it comes last, when all the rest is in place. */
static int compare_probes(const void *a, const void *b)
{
	const struct allocator_probe *x = a, *y = b;

	return (x->function < y->function) - (x->function > y->function);
}

int allocator_find(const char *path, enum allocator_scope scope, struct allocator *out)
{
	struct search s = { .a = calloc(1, sizeof(*s.a)), .scope = scope };
	int err = s.a ? elfid_read(path, &s.elf) : -ENOMEM;

	if (!err)
		err = search_file(&s, path);
	if (!err && !allocates(s.a))
		err = -ENOENT;
	if (!err) {
		qsort(s.a->probe, s.a->count, sizeof(*s.a->probe), compare_probes);
		snprintf(s.a->path, sizeof(s.a->path), "%s", path);
		s.a->scope = scope;
		*out = *s.a;
	}
	free(s.a);
	return err;
}

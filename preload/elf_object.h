// SPDX-License-Identifier: MIT
/*
 * elf_object.h - the objects that the dynamic loader has mapped into this process:
 * their symbols by name, their relocations, and how their pages are protected.
 *
 * What is read belongs to the loader, which keeps it for as long as the object is
 * loaded: to be used within dl_iterate_phdr(3). Nothing allocates or takes a lock.
 * Sources: ELF gABI ch. 5; the GNU hash section (binutils, bfd/elflink.c).
 */
#ifndef PRELOAD_ELF_OBJECT_H
#define PRELOAD_ELF_OBJECT_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_object {
	uintptr_t bias;
	const ElfW(Phdr) *phdr;
	unsigned phnum;
	const ElfW(Sym) *symtab;
	const char *strtab;
	const uint32_t *gnu_hash, *hash;	/* either may be NULL */
	const ElfW(Rela) *rela, *jmprel;	/* rela: without the relative ones */
	size_t rela_count, jmprel_count;
};

/* A name to be looked for in many objects. */
struct elf_name {
	const char *text;
	uint32_t gnu, sysv;	/* hashes */
};

/* False: it has no symbols. */
bool elf_object_open(struct elf_object *o, const struct dl_phdr_info *info);

/* The one whose ELF header is mapped at @start. False: there is none, or it has no symbols. */
bool elf_object_at(struct elf_object *o, uintptr_t start);

/* Does the address lie in one of its segments? */
bool elf_object_contains(const struct elf_object *o, uintptr_t addr);

/* Entries of its symbol table. Takes longer than looking up a name. */
size_t elf_object_symbols(const struct elf_object *o);

struct elf_name elf_name(const char *text);

/*
 * The index in the symbol table of the next function of that name that the object
 * defines, 0: there is none. *state is 0 for the first.
 */
uint32_t elf_object_function(const struct elf_object *o, const struct elf_name *name,
			     uint32_t *state);

/* Does it define the function as one that another of its functions chooses (an IFUNC)? */
bool elf_object_chooses(const struct elf_object *o, const struct elf_name *name);

/* How the loader left the page of `addr` (PROT_...): by its segment, or read-only after relocation. */
int elf_object_protection(const struct elf_object *o, uintptr_t addr);

/* The pages that are read-only after relocation: [*start, *end), empty if there are none. */
void elf_object_relro(const struct elf_object *o, uintptr_t *start, uintptr_t *end);

#endif

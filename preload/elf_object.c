// SPDX-License-Identifier: MIT
/* elf_object.c - see elf_object.h */
#define _GNU_SOURCE 1
#include "elf_object.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE	4096ul

/* glibc relocates the addresses in the dynamic section in place, musl and the vdso do not. */
static uintptr_t dynamic_pointer(const struct elf_object *o, uintptr_t value)
{
	return value < o->bias ? value + o->bias : value;
}

static void read_dynamic(struct elf_object *o, const ElfW(Dyn) *d)
{
	size_t relative = 0;

	for (; d->d_tag != DT_NULL; d++) {
		uintptr_t p = dynamic_pointer(o, d->d_un.d_ptr);

		switch (d->d_tag) {
		case DT_SYMTAB:		o->symtab = (const ElfW(Sym) *)p; break;
		case DT_STRTAB:		o->strtab = (const char *)p; break;
		case DT_GNU_HASH:	o->gnu_hash = (const uint32_t *)p; break;
		case DT_HASH:		o->hash = (const uint32_t *)p; break;
		case DT_RELA:		o->rela = (const ElfW(Rela) *)p; break;
		case DT_RELASZ:		o->rela_count = d->d_un.d_val / sizeof(ElfW(Rela)); break;
		case DT_RELACOUNT:	relative = d->d_un.d_val; break;
		case DT_JMPREL:		o->jmprel = (const ElfW(Rela) *)p; break;
		case DT_PLTRELSZ:	o->jmprel_count = d->d_un.d_val / sizeof(ElfW(Rela)); break;
		}
	}
	/* the linker sorts the relative ones to the front */
	if (relative <= o->rela_count) {
		o->rela += relative;
		o->rela_count -= relative;
	}
}

bool elf_object_open(struct elf_object *o, const struct dl_phdr_info *info)
{
	*o = (struct elf_object){ .bias = info->dlpi_addr, .phdr = info->dlpi_phdr,
				  .phnum = info->dlpi_phnum };
	for (unsigned i = 0; i < o->phnum; i++)
		if (o->phdr[i].p_type == PT_DYNAMIC)
			read_dynamic(o, (const ElfW(Dyn) *)(o->bias + o->phdr[i].p_vaddr));
	return o->symtab && o->strtab;
}

bool elf_object_at(struct elf_object *o, uintptr_t start)
{
	const ElfW(Ehdr) *elf = (const void *)start;
	struct dl_phdr_info info = { .dlpi_addr = start };

	if (memcmp(elf->e_ident, ELFMAG, SELFMAG) || elf->e_phentsize != sizeof(ElfW(Phdr)))
		return false;
	info.dlpi_phdr = (const void *)(start + elf->e_phoff);
	info.dlpi_phnum = elf->e_phnum;
	return elf_object_open(o, &info);
}

bool elf_object_contains(const struct elf_object *o, uintptr_t addr)
{
	for (unsigned i = 0; i < o->phnum; i++)
		if (o->phdr[i].p_type == PT_LOAD &&
		    addr - o->bias - o->phdr[i].p_vaddr < o->phdr[i].p_memsz)
			return true;
	return false;
}

/* ---- symbols ---------------------------------------------------------------- */

/* The GNU hash section: nbuckets, symoffset, words of the Bloom filter, shift; filter; buckets; chains. */
static const uint32_t *gnu_buckets(const uint32_t *h)
{
	return h + 4 + h[2] * (sizeof(ElfW(Addr)) / 4);
}

/* The GNU hash table does not say how many symbols there are: the last chain ends with them. */
size_t elf_object_symbols(const struct elf_object *o)
{
	const uint32_t *h = o->gnu_hash, *buckets, *chain;
	uint32_t last = 0;

	if (!h)
		return o->hash ? o->hash[1] : 0;
	buckets = gnu_buckets(h);
	chain = buckets + h[0];
	for (uint32_t i = 0; i < h[0]; i++)
		if (buckets[i] > last)
			last = buckets[i];
	if (last < h[1])
		return h[1];
	while (!(chain[last - h[1]] & 1))
		last++;
	return last + 1;
}

struct elf_name elf_name(const char *text)
{
	struct elf_name n = { .text = text, .gnu = 5381 };

	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		n.gnu = n.gnu * 33 + *c;
		n.sysv = (n.sysv << 4) + *c;
		n.sysv ^= n.sysv >> 24 & 0xf0;
		n.sysv &= 0x0fffffff;
	}
	return n;
}

static bool in_gnu_filter(const uint32_t *h, uint32_t hash)
{
	const ElfW(Addr) *filter = (const ElfW(Addr) *)(h + 4);
	const unsigned bits = sizeof(ElfW(Addr)) * 8;
	ElfW(Addr) word = filter[hash / bits % h[2]];

	return word >> (hash % bits) & word >> ((hash >> h[3]) % bits) & 1;
}

/* The next symbol whose hash fits: behind `after`, or the first if that is 0. */
static uint32_t next_in_gnu_hash(const uint32_t *h, uint32_t hash, uint32_t after)
{
	const uint32_t *buckets = gnu_buckets(h), *chain = buckets + h[0];
	uint32_t i = after;

	if (!h[0] || !h[2] || !in_gnu_filter(h, hash))
		return 0;
	if (!after) {
		i = buckets[hash % h[0]];
		if (i < h[1])
			return 0;
	} else if (chain[i++ - h[1]] & 1) {
		return 0;
	}
	for (;; i++) {
		if ((chain[i - h[1]] ^ hash) >> 1 == 0)
			return i;
		if (chain[i - h[1]] & 1)
			return 0;
	}
}

static uint32_t next_in_hash(const uint32_t *h, uint32_t hash, uint32_t after)
{
	const uint32_t *buckets = h + 2, *chain = buckets + h[0];

	if (!h[0])
		return 0;
	return after ? chain[after] : buckets[hash % h[0]];
}

static uint32_t next_defined(const struct elf_object *o, const struct elf_name *name, unsigned type,
			     uint32_t *state)
{
	for (;;) {
		const ElfW(Sym) *s;

		*state = o->gnu_hash ? next_in_gnu_hash(o->gnu_hash, name->gnu, *state) :
			 o->hash ? next_in_hash(o->hash, name->sysv, *state) : 0;
		if (!*state)
			return 0;
		s = &o->symtab[*state];
		if (s->st_shndx != SHN_UNDEF && ELF64_ST_TYPE(s->st_info) == type &&
		    ELF64_ST_BIND(s->st_info) != STB_LOCAL &&
		    !strcmp(o->strtab + s->st_name, name->text))
			return *state;
	}
}

uint32_t elf_object_function(const struct elf_object *o, const struct elf_name *name,
			     uint32_t *state)
{
	return next_defined(o, name, STT_FUNC, state);
}

bool elf_object_chooses(const struct elf_object *o, const struct elf_name *name)
{
	uint32_t state = 0;

	return next_defined(o, name, STT_GNU_IFUNC, &state);
}

/* ---- pages -------------------------------------------------------------------- */

static int protection(unsigned flags)
{
	return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) |
	       (flags & PF_X ? PROT_EXEC : 0);
}

int elf_object_protection(const struct elf_object *o, uintptr_t addr)
{
	int prot = PROT_READ | PROT_WRITE;
	uintptr_t start, end;

	elf_object_relro(o, &start, &end);
	if (addr >= start && addr < end)
		return PROT_READ;
	for (unsigned i = 0; i < o->phnum; i++) {
		const ElfW(Phdr) *p = &o->phdr[i];

		if (p->p_type == PT_LOAD && addr - o->bias - p->p_vaddr < p->p_memsz)
			prot = protection(p->p_flags);
	}
	return prot;
}

void elf_object_relro(const struct elf_object *o, uintptr_t *start, uintptr_t *end)
{
	*start = *end = 0;
	for (unsigned i = 0; i < o->phnum; i++)
		if (o->phdr[i].p_type == PT_GNU_RELRO) {
			*start = (o->bias + o->phdr[i].p_vaddr) & -PAGE;
			*end = (o->bias + o->phdr[i].p_vaddr + o->phdr[i].p_memsz) & -PAGE;
		}
}

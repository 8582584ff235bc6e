// SPDX-License-Identifier: MIT
/* got.c - see got.h */
#define _GNU_SOURCE 1
#include "got.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>


#define MAX_HOOKS	96
#define PAGE		4096ul

#define BUCKETS		256

struct hook {
	const char *name;
	uintptr_t hook, real;
	bool release;		/* gives memory back */
};

static struct hook hooks[MAX_HOOKS];
static unsigned hook_count;
static unsigned char by_name[BUCKETS];	/* index + 1 in hooks, by the hash of the name */
static bool redirected;
static unsigned changed;

/* The dynamic section of one mapped object. */
struct object {
	uintptr_t bias;
	const ElfW(Phdr) *phdr;
	unsigned phnum;
	const ElfW(Sym) *symtab;
	const char *strtab;
	const uint32_t *gnu_hash, *hash;
	const ElfW(Rela) *rela, *jmprel;
	size_t rela_count, jmprel_count;
};

/* glibc relocates the addresses in the dynamic section in place, musl and the vdso do not. */
static uintptr_t dynamic_pointer(const struct object *o, uintptr_t value)
{
	return value < o->bias ? value + o->bias : value;
}

static void read_dynamic(struct object *o, const ElfW(Dyn) *d)
{
	for (; d->d_tag != DT_NULL; d++) {
		uintptr_t p = dynamic_pointer(o, d->d_un.d_ptr);

		switch (d->d_tag) {
		case DT_SYMTAB:		o->symtab = (const ElfW(Sym) *)p; break;
		case DT_STRTAB:		o->strtab = (const char *)p; break;
		case DT_GNU_HASH:	o->gnu_hash = (const uint32_t *)p; break;
		case DT_HASH:		o->hash = (const uint32_t *)p; break;
		case DT_RELA:		o->rela = (const ElfW(Rela) *)p; break;
		case DT_RELASZ:		o->rela_count = d->d_un.d_val / sizeof(ElfW(Rela)); break;
		case DT_JMPREL:		o->jmprel = (const ElfW(Rela) *)p; break;
		case DT_PLTRELSZ:	o->jmprel_count = d->d_un.d_val / sizeof(ElfW(Rela)); break;
		}
	}
}

static bool open_object(struct object *o, const struct dl_phdr_info *info)
{
	*o = (struct object){ .bias = info->dlpi_addr, .phdr = info->dlpi_phdr,
			      .phnum = info->dlpi_phnum };
	for (unsigned i = 0; i < o->phnum; i++)
		if (o->phdr[i].p_type == PT_DYNAMIC)
			read_dynamic(o, (const ElfW(Dyn) *)(o->bias + o->phdr[i].p_vaddr));
	return o->symtab && o->strtab;
}

static bool contains(const struct object *o, uintptr_t addr)
{
	for (unsigned i = 0; i < o->phnum; i++)
		if (o->phdr[i].p_type == PT_LOAD &&
		    addr - o->bias - o->phdr[i].p_vaddr < o->phdr[i].p_memsz)
			return true;
	return false;
}

/* The hash table does not say how many symbols there are: the last chain ends with them. */
static size_t count_symbols(const struct object *o)
{
	const uint32_t *h = o->gnu_hash, *buckets, *chain;
	uint32_t last = 0;

	if (!h)
		return o->hash ? o->hash[1] : 0;
	buckets = h + 4 + h[2] * (sizeof(ElfW(Addr)) / 4);
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

/* ---- writing -------------------------------------------------------------- */

static int protection(unsigned flags)
{
	return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) |
	       (flags & PF_X ? PROT_EXEC : 0);
}

/* How the loader left the page of `addr`: by its segment, or read-only after relocation. */
static int protection_at(const struct object *o, uintptr_t addr)
{
	int prot = PROT_READ | PROT_WRITE;

	for (unsigned i = 0; i < o->phnum; i++) {
		const ElfW(Phdr) *p = &o->phdr[i];
		uintptr_t start = o->bias + p->p_vaddr, end = start + p->p_memsz;

		if (p->p_type == PT_LOAD && addr >= start && addr < end)
			prot = protection(p->p_flags);
	}
	for (unsigned i = 0; i < o->phnum; i++) {
		const ElfW(Phdr) *p = &o->phdr[i];
		uintptr_t start = o->bias + p->p_vaddr, end = start + p->p_memsz;

		if (p->p_type == PT_GNU_RELRO && addr >= (start & -PAGE) && addr < (end & -PAGE))
			prot = PROT_READ;
	}
	return prot;
}

static int mprotect_page(void *page, int prot)
{
	return (int)syscall(SYS_mprotect, page, PAGE, prot);
}

static void store(const struct object *o, uintptr_t *slot, uintptr_t value)
{
	void *page = (void *)((uintptr_t)slot & -PAGE);
	int prot = protection_at(o, (uintptr_t)slot);

	if (!(prot & PROT_WRITE) && mprotect_page(page, prot | PROT_WRITE))
		return;
	__atomic_store_n(slot, value, __ATOMIC_RELEASE);
	if (!(prot & PROT_WRITE))
		mprotect_page(page, prot);
	changed++;
}

/* ---- names ------------------------------------------------------------------ */

static unsigned bucket_of(const char *name)
{
	uint32_t h = 5381;

	while (*name)
		h = h * 33 + (unsigned char)*name++;
	return (h ^ h >> 8 ^ h >> 16) % BUCKETS;
}

static struct hook *find_hook(const char *name)
{
	for (unsigned b = bucket_of(name); by_name[b]; b = (b + 1) % BUCKETS)
		if (!strcmp(hooks[by_name[b] - 1].name, name))
			return &hooks[by_name[b] - 1];
	return NULL;
}

/* ---- finding the hooks ------------------------------------------------------ */

static bool starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static bool is_release(const char *name)
{
	return !strcmp(name, "free") || !strcmp(name, "cfree") || starts_with(name, "free_") ||
	       !strcmp(name, "munmap") || starts_with(name, "_ZdlPv") ||
	       starts_with(name, "_ZdaPv");
}

static int list_hooks(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct object o;
	size_t count;

	(void)size;
	(void)arg;
	if (!open_object(&o, info) || !contains(&o, (uintptr_t)got_prepare))
		return 0;
	count = count_symbols(&o);
	for (size_t i = 1; i < count; i++) {
		const ElfW(Sym) *s = &o.symtab[i];
		const char *name = o.strtab + s->st_name;

		if (s->st_shndx != SHN_UNDEF && ELF64_ST_TYPE(s->st_info) == STT_FUNC &&
		    !starts_with(name, "libleak_") && hook_count < MAX_HOOKS)
			hooks[hook_count++] = (struct hook){ name, o.bias + s->st_value, 0,
							     is_release(name) };
	}
	return 1;
}

static void index_hooks(void)
{
	memset(by_name, 0, sizeof(by_name));
	for (unsigned i = 0; i < hook_count; i++) {
		unsigned b = bucket_of(hooks[i].name);

		while (by_name[b])
			b = (b + 1) % BUCKETS;
		by_name[b] = (unsigned char)(i + 1);
	}
}

/*
 * Takes the definitions of an object for those hooks that have none yet. Objects
 * come in the order of the global scope, later loaded ones behind it. (dlsym()
 * would do for that, but answers with the procedure linkage table of a program
 * that is not position-independent, takes locks, and may allocate.)
 */
static int find_real_functions(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct object o;
	size_t count;

	(void)size;
	(void)arg;
	if (!open_object(&o, info) || contains(&o, (uintptr_t)got_prepare))
		return 0;
	count = count_symbols(&o);
	for (size_t i = 1; i < count; i++) {
		const ElfW(Sym) *s = &o.symtab[i];
		struct hook *h;

		if (s->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(s->st_info) != STT_FUNC ||
		    ELF64_ST_BIND(s->st_info) == STB_LOCAL)
			continue;
		h = find_hook(o.strtab + s->st_name);
		if (h && !h->real)
			h->real = o.bias + s->st_value;
	}
	return 0;
}

static void drop_hooks_of_nothing(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < hook_count; i++)
		if (hooks[i].real)
			hooks[count++] = hooks[i];
	hook_count = count;
	index_hooks();
}

int got_prepare(void)
{
	if (redirected)		/* a forked child of a process that was */
		got_restore();
	hook_count = 0;
	dl_iterate_phdr(list_hooks, NULL);
	index_hooks();
	dl_iterate_phdr(find_real_functions, NULL);
	drop_hooks_of_nothing();
	return hook_count ? 0 : -ENOENT;
}

void *got_real(const char *name)
{
	const struct hook *h = find_hook(name);

	return h ? (void *)h->real : NULL;
}

/* ---- redirecting ------------------------------------------------------------ */

/* What one pass over the objects does. */
struct pass {
	bool to_hooks;		/* else back */
	bool release;		/* only hooks of this kind */
	bool kinds;		/* ... or all */
};

static bool in_pass(const struct pass *pass, const struct hook *h)
{
	return h && (pass->kinds || h->release == pass->release);
}

static bool is_pointer(uint32_t type)
{
	return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT || type == R_X86_64_64;
}

static void turn_pointers(const struct object *o, const ElfW(Rela) *rela, size_t count,
			  const struct pass *pass)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t index = ELF64_R_SYM(rela[i].r_info);
		uintptr_t *slot = (uintptr_t *)(o->bias + rela[i].r_offset);
		const struct hook *h;

		if (!index || !is_pointer(ELF64_R_TYPE(rela[i].r_info)))
			continue;
		h = find_hook(o->strtab + o->symtab[index].st_name);
		if (!in_pass(pass, h))
			continue;
		if (__atomic_load_n(slot, __ATOMIC_RELAXED) == (pass->to_hooks ? h->real : h->hook))
			store(o, slot, pass->to_hooks ? h->hook : h->real);
	}
}

static bool is_provider(const struct object *o)
{
	for (unsigned i = 0; i < hook_count; i++)
		if (contains(o, hooks[i].real))
			return true;
	return false;
}

/* The symbol table of a library that defines a real function. */
static void turn_symbols(const struct object *o, const struct pass *pass)
{
	size_t count = is_provider(o) ? count_symbols(o) : 0;

	for (size_t i = 1; i < count; i++) {
		const ElfW(Sym) *s = &o->symtab[i];
		const struct hook *h;
		uintptr_t from;

		if (s->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(s->st_info) != STT_FUNC)
			continue;
		h = find_hook(o->strtab + s->st_name);
		if (!in_pass(pass, h) || !contains(o, h->real))
			continue;
		from = pass->to_hooks ? h->real : h->hook;
		if (o->bias + s->st_value == from)
			store(o, (uintptr_t *)&s->st_value,
			      (pass->to_hooks ? h->hook : h->real) - o->bias);
	}
}

static int turn_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	const struct pass *pass = arg;
	struct object o;

	(void)size;
	if (!open_object(&o, info) || contains(&o, (uintptr_t)got_prepare))
		return 0;
	turn_symbols(&o, pass);
	turn_pointers(&o, o.rela, o.rela_count, pass);
	turn_pointers(&o, o.jmprel, o.jmprel_count, pass);
	return 0;
}

void got_redirect(void)
{
	struct pass pass = { .to_hooks = true, .release = true };

	changed = 0;
	redirected = true;
	dl_iterate_phdr(turn_object, &pass);
	pass.release = false;
	dl_iterate_phdr(turn_object, &pass);
}

void got_restore(void)
{
	struct pass pass = { .kinds = true };

	changed = 0;
	dl_iterate_phdr(turn_object, &pass);
	redirected = false;
}

unsigned got_changed(void)
{
	return changed;
}

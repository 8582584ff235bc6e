// SPDX-License-Identifier: MIT
/* got.c - see got.h */
#define _GNU_SOURCE 1
#include "got.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "elf_object.h"

#define MAX_HOOKS	96
#define PAGE		4096ul

#define BUCKETS		256

struct hook {
	struct elf_name name;
	uintptr_t hook, real;
	bool release;		/* gives memory back */
};

static struct hook hooks[MAX_HOOKS];
static unsigned hook_count;
static unsigned char by_name[BUCKETS];	/* index + 1 in hooks, by the hash of the name */
static bool redirected;

/* ---- writing -------------------------------------------------------------- */

/*
 * Pages of an object that are read-only and were made writable, to be protected
 * again together: one by one would take two system calls, and split mappings, for
 * each of some hundred pointers.
 */
struct window {
	uintptr_t start, end;
	int prot;
	bool open;
};

static struct window relro_window(const struct elf_object *o)
{
	struct window w = { .prot = PROT_READ };

	elf_object_relro(o, &w.start, &w.end);
	return w;
}

static struct window symtab_window(const struct elf_object *o)
{
	uintptr_t start = (uintptr_t)o->symtab;
	uintptr_t end = start + elf_object_symbols(o) * sizeof(*o->symtab);

	return (struct window){ .start = start & -PAGE, .end = (end + PAGE - 1) & -PAGE,
				.prot = elf_object_protection(o, start) };
}

static int window_protect(const struct window *w, int prot)
{
	return (int)syscall(SYS_mprotect, w->start, w->end - w->start, prot);
}

static void window_close(struct window *w)
{
	if (w->open)
		window_protect(w, w->prot);
	w->open = false;
}

/* A slot outside the window is written to as it is, or through a window of its own page. */
static void store(const struct elf_object *o, struct window *w, uintptr_t *slot, uintptr_t value)
{
	struct window page = { .start = (uintptr_t)slot & -PAGE,
			       .end = ((uintptr_t)slot & -PAGE) + PAGE };
	bool inside = (uintptr_t)slot >= w->start && (uintptr_t)slot < w->end;

	page.prot = inside ? w->prot : elf_object_protection(o, page.start);
	if (!inside)
		w = &page;
	if (!(w->prot & PROT_WRITE) && !w->open) {
		if (window_protect(w, w->prot | PROT_WRITE))
			return;
		w->open = true;
	}
	__atomic_store_n(slot, value, __ATOMIC_RELEASE);
	window_close(&page);
}

/* ---- names ------------------------------------------------------------------ */

static unsigned bucket_of(uint32_t hash)
{
	return (hash ^ hash >> 8 ^ hash >> 16) % BUCKETS;
}

static struct hook *find_hook(const char *text)
{
	struct elf_name name = elf_name(text);

	for (unsigned b = bucket_of(name.gnu); by_name[b]; b = (b + 1) % BUCKETS)
		if (!strcmp(hooks[by_name[b] - 1].name.text, text))
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
	struct elf_object o;
	size_t count;

	(void)size;
	(void)arg;
	if (!elf_object_open(&o, info) || !elf_object_contains(&o, (uintptr_t)got_prepare))
		return 0;
	count = elf_object_symbols(&o);
	for (size_t i = 1; i < count; i++) {
		const ElfW(Sym) *s = &o.symtab[i];
		const char *name = o.strtab + s->st_name;

		if (s->st_shndx != SHN_UNDEF && ELF64_ST_TYPE(s->st_info) == STT_FUNC &&
		    !starts_with(name, "libleak_") && hook_count < MAX_HOOKS)
			hooks[hook_count++] = (struct hook){ elf_name(name), o.bias + s->st_value, 0,
							     is_release(name) };
	}
	return 1;
}

static void index_hooks(void)
{
	memset(by_name, 0, sizeof(by_name));
	for (unsigned i = 0; i < hook_count; i++) {
		unsigned b = bucket_of(hooks[i].name.gnu);

		while (by_name[b])
			b = (b + 1) % BUCKETS;
		by_name[b] = (unsigned char)(i + 1);
	}
}

/*
 * Takes the definitions of an object for those hooks that have none yet. Objects
 * come in the order of the global scope, later loaded ones behind it. (dlsym()
 * would do for that, but answers with the procedure linkage table of a program
 * that is not position-independent, takes locks, and may allocate.) *chosen becomes
 * true when malloc is chosen as the object is loaded (an IFUNC).
 */
static int find_real_functions(struct dl_phdr_info *info, size_t size, void *chosen)
{
	struct elf_object o;

	(void)size;
	if (!elf_object_open(&o, info) || elf_object_contains(&o, (uintptr_t)got_prepare))
		return 0;
	for (unsigned i = 0; i < hook_count; i++) {
		uint32_t state = 0, at;

		if (hooks[i].real)
			continue;
		if (elf_object_chooses(&o, &hooks[i].name) && !strcmp(hooks[i].name.text, "malloc"))
			*(bool *)chosen = true;
		at = elf_object_function(&o, &hooks[i].name, &state);
		if (at)
			hooks[i].real = o.bias + o.symtab[at].st_value;
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
	bool chosen = false;

	if (redirected)		/* a forked child of a process that was */
		got_restore();
	hook_count = 0;
	dl_iterate_phdr(list_hooks, NULL);
	index_hooks();
	dl_iterate_phdr(find_real_functions, &chosen);
	drop_hooks_of_nothing();
	if (chosen)
		return -ENOTSUP;
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
	uintptr_t from[BUCKETS];	/* a set: what pointers lead to that are to be turned */
};

static bool in_pass(const struct pass *pass, const struct hook *h)
{
	return h && (pass->kinds || h->release == pass->release);
}

static uintptr_t before(const struct pass *pass, const struct hook *h)
{
	return pass->to_hooks ? h->real : h->hook;
}

static uintptr_t after(const struct pass *pass, const struct hook *h)
{
	return pass->to_hooks ? h->hook : h->real;
}

/* Its place in pass->from, or the free one for it. */
static uintptr_t *place(struct pass *pass, uintptr_t addr)
{
	unsigned b = bucket_of((uint32_t)(addr >> 4));

	while (pass->from[b] && pass->from[b] != addr)
		b = (b + 1) % BUCKETS;
	return &pass->from[b];
}

static void list_befores(struct pass *pass)
{
	for (unsigned i = 0; i < hook_count; i++)
		if (in_pass(pass, &hooks[i]))
			*place(pass, before(pass, &hooks[i])) = before(pass, &hooks[i]);
}

static bool is_pointer(uint32_t type)
{
	return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT || type == R_X86_64_64;
}

/* What a pointer leads to is compared first: nearly all lead elsewhere. */
static void turn_pointers(const struct elf_object *o, struct window *w, const ElfW(Rela) *rela,
			  size_t count, struct pass *pass)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t index = ELF64_R_SYM(rela[i].r_info);
		uintptr_t *slot = (uintptr_t *)(o->bias + rela[i].r_offset), now;
		const struct hook *h;

		if (!index || !is_pointer(ELF64_R_TYPE(rela[i].r_info)))
			continue;
		now = __atomic_load_n(slot, __ATOMIC_RELAXED);
		if (!now || !*place(pass, now))
			continue;
		h = find_hook(o->strtab + o->symtab[index].st_name);
		if (in_pass(pass, h) && now == before(pass, h))
			store(o, w, slot, after(pass, h));
	}
}

/* The symbols by which the loader finds a hook's real function, in the object that defines it. */
static void turn_function(const struct elf_object *o, struct window *w, const struct hook *h,
			  const struct pass *pass)
{
	uint32_t state = 0, at;

	while ((at = elf_object_function(o, &h->name, &state))) {
		const ElfW(Sym) *s = &o->symtab[at];

		if (o->bias + s->st_value == before(pass, h))
			store(o, w, (uintptr_t *)&s->st_value, after(pass, h) - o->bias);
	}
}

static void turn_symbols(const struct elf_object *o, const struct pass *pass)
{
	struct window w = { 0 };

	for (unsigned i = 0; i < hook_count; i++) {
		if (!in_pass(pass, &hooks[i]) || !elf_object_contains(o, hooks[i].real))
			continue;
		if (!w.end)
			w = symtab_window(o);
		turn_function(o, &w, &hooks[i], pass);
	}
	window_close(&w);
}

static int turn_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct pass *pass = arg;
	struct elf_object o;
	struct window w;

	(void)size;
	if (!elf_object_open(&o, info) || elf_object_contains(&o, (uintptr_t)got_prepare))
		return 0;
	turn_symbols(&o, pass);
	w = relro_window(&o);
	turn_pointers(&o, &w, o.rela, o.rela_count, pass);
	turn_pointers(&o, &w, o.jmprel, o.jmprel_count, pass);
	window_close(&w);
	return 0;
}

/* One pass over all objects. */
static void turn(struct pass pass)
{
	list_befores(&pass);
	dl_iterate_phdr(turn_object, &pass);
}

void got_redirect(void)
{
	redirected = true;
	turn((struct pass){ .to_hooks = true, .release = true });
	turn((struct pass){ .to_hooks = true, .release = false });
}

void got_restore(void)
{
	if (!redirected)
		return;
	turn((struct pass){ .kinds = true });
	redirected = false;
}

// SPDX-License-Identifier: MIT
/* objects_listed.c - see objects_listed.h. */
#include "objects_listed.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/uio.h>

#include "compiler.h"
#include "eh_frame.h"
#include "libc.h"
#include "lock.h"
#include "recorder.h"
#include "sys.h"

#define OBJECTS_MAX	1024u
#define HEADERS_MAX	16u	/* read at a time: this may be a signal handler's stack */
#define AT_A_TIME	16u	/* ... and as many entries of the loader's list */
#define TRIES		100	/* another thread changes the list for a few instructions */

struct entry {
	struct object o;		/* empty: it is not known where it is */
	const struct link_map *prev;	/* in the loader's list; o.id: its own place there */
	const void *dynamic;
	bool stays;			/* it is never unloaded */
};

struct list {
	uint32_t count;
	struct entry at[OBJECTS_MAX];
};

/* One is read, the other is written to next. */
static struct list lists[2];
static uint32_t version;
static const struct r_debug *loader;	/* NULL: it is not known where its list begins */
static struct lock growing;

static struct list *now_listed(void)
{
	return &lists[version % 2];
}

/* The list that now_listed() is not has been made. (Readers of it begin anew.) */
static void publish(void)
{
	__atomic_store_n(&version, version + 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* ---- reading what may be gone by now ----------------------------------------------- */

/* Bytes that could be read, or an error. */
static long read_parts(const struct iovec *parts, unsigned long n, void *to, size_t size)
{
	struct iovec local = { to, size };

	if (recorder.frozen)
		return -EPERM;
	return sys_raw(SYS_process_vm_readv, sys_raw(SYS_getpid, 0, 0, 0, 0, 0, 0), (long)&local, 1,
		       (long)parts, (long)n, 0);
}

static bool read_memory(const void *at, void *to, size_t size)
{
	struct iovec part = { (void *)at, size };

	return read_parts(&part, 1, to, size) == (long)size;
}

static bool is_named(const char *name, const char *part)
{
	char text[512];
	struct iovec from = { (void *)name, sizeof(text) - 1 };
	long size = read_parts(&from, 1, text, sizeof(text) - 1);

	text[size > 0 ? size : 0] = '\0';
	return strstr(text, part);
}

static bool is_as_known(const struct link_map *m, const struct entry *e)
{
	return m->l_addr == e->o.bias && m->l_name == e->o.name && m->l_ld == e->dynamic &&
	       m->l_prev == e->prev;
}

/* Is the object still in the loader's list? */
static bool is_there(const struct entry *e)
{
	struct {
		struct link_map own;
		const struct link_map *next_of_prev;
	} now;
	const struct iovec parts[] = {
		{ (void *)e->o.id, sizeof(now.own) },
		{ (void *)&e->prev->l_next, sizeof(now.next_of_prev) },
	};

	return e->stays || (e->prev && read_parts(parts, 2, &now, sizeof(now)) == sizeof(now) &&
			    now.next_of_prev == e->o.id && is_as_known(&now.own, e));
}

static const void *id_of(const struct list *l, uint32_t i)
{
	return i < l->count ? l->at[i].o.id : NULL;
}

/* Do [from, from + n), at most AT_A_TIME, lead to each other and to the next as they did? */
static bool are_linked(const struct list *l, uint32_t from, uint32_t n)
{
	struct link_map now[AT_A_TIME];
	struct iovec parts[AT_A_TIME];

	for (uint32_t i = 0; i < n; i++)
		parts[i] = (struct iovec){ (void *)l->at[from + i].o.id, sizeof(now[i]) };
	if (read_parts(parts, n, now, n * sizeof(now[0])) != (long)(n * sizeof(now[0])))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!is_as_known(&now[i], &l->at[from + i]) ||
		    now[i].l_next != id_of(l, from + i + 1))
			return false;
	return true;
}

/*
 * Is the loader's list still this one? (Its last entry does not tell: unloaded and loaded
 * again, an object is often where it was, with another one before it.)
 */
static bool is_current(const struct list *l)
{
	uint32_t i = 0;

	while (i < l->count && l->at[i].stays)
		i++;
	if (i && ((const struct link_map *)l->at[i - 1].o.id)->l_next != id_of(l, i))
		return false;
	for (; i < l->count; i += AT_A_TIME)
		if (!are_linked(l, i, l->count - i < AT_A_TIME ? l->count - i : AT_A_TIME))
			return false;
	return true;
}

/* ---- what an object is ------------------------------------------------------------- */

static void add_headers(struct object *o, const ElfW(Phdr) *ph, unsigned int n)
{
	struct object range = objects_range(o->bias, ph, n);

	o->start = range.start;
	o->end = range.end;
	for (unsigned int i = 0; i < n; i++)
		if (ph[i].p_type == PT_GNU_EH_FRAME)
			o->frames = (const void *)(o->bias + ph[i].p_vaddr);
}

/* What of an object's read-only memory is .eh_frame, if nothing leads there. */
static void find_section(struct object *o, const ElfW(Phdr) *ph, unsigned int n)
{
	for (unsigned int i = 0; i < n && !o->frames && !o->section; i++) {
		const uint8_t *at = (const uint8_t *)(o->bias + ph[i].p_vaddr);

		if (ph[i].p_type != PT_LOAD || (ph[i].p_flags & (PF_R | PF_W)) != PF_R)
			continue;
		o->section_end = at + ph[i].p_filesz;
		o->section = eh_frame_search(at, o->section_end);
	}
}

/* The object whose ELF header is at its bias, as it is in all that dlopen loads. */
static void describe(const struct link_map *m, struct object *o)
{
	ElfW(Phdr) ph[HEADERS_MAX];
	ElfW(Ehdr) elf;

	if (!read_memory((const void *)m->l_addr, &elf, sizeof(elf)) ||
	    memcmp(elf.e_ident, ELFMAG, SELFMAG) || elf.e_phentsize != sizeof(*ph) ||
	    elf.e_phnum > HEADERS_MAX ||
	    !read_memory((const void *)(m->l_addr + elf.e_phoff), ph, elf.e_phnum * sizeof(*ph)))
		return;
	add_headers(o, ph, elf.e_phnum);
}

/* ---- at the start ------------------------------------------------------------------ */

struct listing {
	struct list *to;
	const struct link_map *at;	/* both lists are in the same order */
	bool stay;
};

/* The program tells debuggers where the loader's list is, and so us. */
static const struct r_debug *find_loader(const struct dl_phdr_info *info)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_DYNAMIC)
			continue;
		for (const ElfW(Dyn) *d = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
		     d->d_tag != DT_NULL; d++)
			if (d->d_tag == DT_DEBUG)
				return (const void *)d->d_un.d_ptr;
	}
	return NULL;
}

static void begin_listing(struct listing *l, const struct dl_phdr_info *info)
{
	loader = find_loader(info);
	l->at = loader ? loader->r_map : NULL;
}

static int take_listed(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct listing *l = arg;
	bool program = !l->to->count;
	struct entry *e = &l->to->at[l->to->count];

	(void)size;
	if (program)
		begin_listing(l, info);
	if (!l->at || l->at->l_addr != info->dlpi_addr || l->to->count == OBJECTS_MAX)
		return 1;
	*e = (struct entry){
		.o = { .bias = info->dlpi_addr, .id = l->at, .name = program ? "" : l->at->l_name },
		.prev = l->at->l_prev,
		.dynamic = l->at->l_ld,
		.stays = l->stay,
	};
	add_headers(&e->o, info->dlpi_phdr, info->dlpi_phnum);
	find_section(&e->o, info->dlpi_phdr, info->dlpi_phnum);
	l->to->count++;
	l->at = l->at->l_next;
	/* glibc puts its loader among what the program was started with */
	if (!libc_is_musl() && loader->r_ldbase == e->o.bias)
		l->stay = false;
	return 0;
}

void objects_list(void)
{
	struct listing l = { .to = &lists[(version + 1) % 2], .stay = true };

	lock_reset(&growing);
	l.to->count = 0;
	dl_iterate_phdr(take_listed, &l);
	publish();
}

void objects_after_fork(void)
{
	lock_reset(&growing);
}

/* ---- later ------------------------------------------------------------------------- */

/* As it was known, if it was. */
static struct entry entry_of(const struct link_map *at, const struct link_map *m,
			     const struct list *known)
{
	struct entry e = {
		.o = { .bias = m->l_addr, .id = at, .name = m->l_name },
		.prev = m->l_prev,
		.dynamic = m->l_ld,
		.stays = libc_is_musl(),
	};

	for (uint32_t i = 0; i < known->count; i++) {
		const struct entry *k = &known->at[i];

		if (k->o.id == at && (k->stays || (k->o.bias == e.o.bias && k->o.name == e.o.name &&
						   k->dynamic == e.dynamic))) {
			e = *k;
			e.prev = m->l_prev;
			return e;
		}
	}
	describe(m, &e.o);
	return e;
}

/* False: the list has changed meanwhile. */
static bool walk(struct list *to, const struct list *known)
{
	const struct link_map *at = loader ? loader->r_map : NULL, *prev = NULL;
	struct link_map m;

	for (to->count = 0; at && to->count < OBJECTS_MAX; prev = at, at = m.l_next) {
		if (!read_memory(at, &m, sizeof(m)) || m.l_prev != prev)
			return false;
		to->at[to->count++] = entry_of(at, &m, known);
	}
	return true;
}

static bool find_in(const struct list *l, uintptr_t addr, struct entry *e)
{
	for (uint32_t i = 0; i < l->count; i++) {
		const struct entry *at = &l->at[i];

		if (addr < at->o.start || addr >= at->o.end)
			continue;
		*e = *at;
		return true;
	}
	return false;
}

static bool find_known(uintptr_t addr, struct entry *e)
{
	uint32_t seen;
	bool found;

	do {
		seen = __atomic_load_n(&version, __ATOMIC_ACQUIRE);
		found = find_in(&lists[seen % 2], addr, e);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (__atomic_load_n(&version, __ATOMIC_RELAXED) != seen);
	return found && is_there(e);
}

/*
 * Of musl's objects, those up to the one that holds @addr: objects come in one piece, so
 * what is before one that is there to stay is, too. False: none of the new ones holds it.
 */
static bool cut_behind(struct list *l, uint32_t known, uintptr_t addr)
{
	for (uint32_t i = known; i < l->count; i++) {
		if (addr < l->at[i].o.start || addr >= l->at[i].o.end)
			continue;
		l->count = i + 1;
		for (i = known; i < l->count; i++) {
			struct object *o = &l->at[i].o;
			const ElfW(Ehdr) *elf = (const void *)o->bias;

			if (o->start < o->end)
				find_section(o, (const void *)(o->bias + elf->e_phoff), elf->e_phnum);
		}
		return true;
	}
	return false;
}

/*
 * False: it may have to be done again. (glibc's objects are not recognized, either, while
 * one before them goes away.)
 */
static bool list_anew(uintptr_t addr)
{
	const struct list *known = now_listed();
	struct list *to = &lists[(version + 1) % 2];

	if (!walk(to, known))
		return false;
	if (!libc_is_musl() || cut_behind(to, known->count, addr))
		publish();
	return libc_is_musl();
}

static bool find_anew(uintptr_t addr, struct entry *e)
{
	bool found = find_known(addr, e), done = false;

	for (int tries = 0; !found && !done && tries < TRIES && !is_current(now_listed()); tries++) {
		done = list_anew(addr);
		found = find_known(addr, e);
	}
	return found;
}

bool objects_find_listed(uintptr_t addr, struct object *o)
{
	struct entry e;
	bool found = find_known(addr, &e);

	if (!found) {
		lock_acquire(&growing);
		found = find_anew(addr, &e);
		lock_release(&growing);
	}
	if (found)
		*o = e.o;
	return found;
}

bool objects_find_named(const char *part, struct object *o)
{
	bool found = false;

	lock_acquire(&growing);
	if (!is_current(now_listed()))
		list_anew(0);
	for (uint32_t i = 0; i < now_listed()->count && !found; i++) {
		const struct entry *e = &now_listed()->at[i];

		found = is_there(e) && is_named(e->o.name, part);
		if (found)
			*o = e->o;
	}
	lock_release(&growing);
	return found;
}

void objects_unloaded_listed(void)
{
	const struct list *known;
	struct list *to;

	lock_acquire(&growing);
	known = now_listed();
	to = &lists[(version + 1) % 2];
	for (to->count = 0; to->count < known->count && known->at[to->count].stays; to->count++)
		to->at[to->count] = known->at[to->count];
	publish();
	lock_release(&growing);
}

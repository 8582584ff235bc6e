// SPDX-License-Identifier: MIT
/* objects_listed.c - see objects_listed.h. */
#include "objects_listed.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/uio.h>

#include "compiler.h"
#include "eh_frame.h"
#include "lock.h"
#include "recorder.h"
#include "sys.h"

#define OBJECTS_MAX	1024u
#define HEADERS_MAX	16u	/* read at a time: this may be a signal handler's stack */

extern struct r_debug *_dl_debug_addr __attribute__((weak));

static struct object all[OBJECTS_MAX];
static uint32_t count;			/* published */
static const struct link_map *last;	/* of the loader's list, among all[]; NULL: it has none */
static struct lock growing;

/* Reads what may be gone by now. */
static bool read_memory(const void *at, void *to, size_t size)
{
	struct iovec local = { to, size }, remote = { (void *)at, size };

	return !recorder.frozen &&
	       sys_raw(SYS_process_vm_readv, sys_raw(SYS_getpid, 0, 0, 0, 0, 0, 0), (long)&local, 1,
		       (long)&remote, 1, 0) == (long)size;
}

static void add_header(struct object *o, const ElfW(Phdr) *ph)
{
	uintptr_t at = o->bias + ph->p_vaddr;

	if (ph->p_type == PT_GNU_EH_FRAME)
		o->frames = (const void *)at;
	if (ph->p_type != PT_LOAD)
		return;
	if (at < o->start)
		o->start = at & ~4095ul;
	if (at + ph->p_memsz > o->end)
		o->end = at + ph->p_memsz;
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

static void append(const struct object *o)
{
	if (count == OBJECTS_MAX)
		return;
	all[count] = *o;
	__atomic_store_n(&count, count + 1, __ATOMIC_RELEASE);
}

/* ---- at the start ------------------------------------------------------------------ */

static int take_listed(struct dl_phdr_info *info, size_t size, void *arg)
{
	bool *program = arg;
	struct object o = { .start = UINTPTR_MAX, .bias = info->dlpi_addr,
			    .id = info->dlpi_phdr, .name = *program ? "" : info->dlpi_name };

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++)
		add_header(&o, &info->dlpi_phdr[i]);
	find_section(&o, info->dlpi_phdr, info->dlpi_phnum);
	append(&o);
	*program = false;
	return 0;
}

/* Both lists are in the same order; what one has told of stays in the other. */
static const struct link_map *nth(uint32_t n)
{
	const struct link_map *m = _dl_debug_addr ? _dl_debug_addr->r_map : NULL;

	while (m && --n)
		m = m->l_next;
	return m;
}

void objects_list(void)
{
	bool program = true;

	__atomic_store_n(&count, 0, __ATOMIC_RELEASE);
	lock_reset(&growing);
	dl_iterate_phdr(take_listed, &program);
	last = count ? nth(count) : NULL;
}

void objects_after_fork(void)
{
	lock_reset(&growing);
}

/* ---- later ------------------------------------------------------------------------- */

/* The object whose ELF header is at its bias, as it is in all that dlopen loads. */
static bool describe(const struct link_map *m, struct object *o)
{
	ElfW(Phdr) ph[HEADERS_MAX];
	ElfW(Ehdr) elf;

	*o = (struct object){ .start = UINTPTR_MAX, .bias = m->l_addr,
			      .id = (const void *)m->l_ld, .name = m->l_name };
	if (!read_memory((const void *)m->l_addr, &elf, sizeof(elf)) ||
	    memcmp(elf.e_ident, ELFMAG, SELFMAG) || elf.e_phentsize != sizeof(*ph) ||
	    elf.e_phnum > HEADERS_MAX ||
	    !read_memory((const void *)(m->l_addr + elf.e_phoff), ph, elf.e_phnum * sizeof(*ph)))
		return false;
	for (unsigned int i = 0; i < elf.e_phnum; i++)
		add_header(o, &ph[i]);
	return o->start < o->end;
}

/* The first object behind @m that holds @addr. NULL: there is none. */
static const struct link_map *look_behind(struct link_map m, uintptr_t addr)
{
	struct object o;

	for (unsigned int guard = 0; m.l_next && guard < OBJECTS_MAX; guard++) {
		const struct link_map *at = m.l_next;

		if (!read_memory(at, &m, sizeof(m)))
			return NULL;
		if (describe(&m, &o) && addr >= o.start && addr < o.end)
			return at;
	}
	return NULL;
}

/* Objects come to the end of the list, in one piece: those before one that is there to stay are, too. */
static void take_until(const struct link_map *end)
{
	struct object o;

	while (last != end) {
		last = last->l_next;
		if (!describe(last, &o))
			continue;
		find_section(&o, (const void *)(o.bias + ((const ElfW(Ehdr) *)o.bias)->e_phoff),
			     ((const ElfW(Ehdr) *)o.bias)->e_phnum);
		append(&o);
	}
}

static bool find_in(uint32_t from, uint32_t to, uintptr_t addr, struct object *o)
{
	for (uint32_t i = from; i < to; i++) {
		if (addr < all[i].start || addr >= all[i].end)
			continue;
		*o = all[i];
		return true;
	}
	return false;
}

static bool read_on(uint32_t from, uintptr_t addr, struct object *o)
{
	const struct link_map *found;
	bool is_there;

	lock_acquire(&growing);
	found = last ? look_behind(*last, addr) : NULL;
	if (found)
		take_until(found);
	is_there = find_in(from, count, addr, o);
	lock_release(&growing);
	return is_there;
}

bool objects_find_listed(uintptr_t addr, struct object *o)
{
	uint32_t known = __atomic_load_n(&count, __ATOMIC_ACQUIRE);

	return find_in(0, known, addr, o) || read_on(known, addr, o);
}

// SPDX-License-Identifier: MIT
/* modules.c - see modules.h. */
#include "modules.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "module_watch.h"
#include "recorder.h"

uint32_t session_string(const char *s)
{
	struct session_section *sec = &recorder.hdr->section[SECT_STRINGS];
	uint64_t at = sec->used ? sec->used : 1;
	size_t len = strlen(s) + 1;

	if (len == 1 || at + len > UINT32_MAX || shm_grow(&recorder.shm, SECT_STRINGS, at + len))
		return 0;
	memcpy(recorder.shm.sect[SECT_STRINGS].base + at, s, len);
	__atomic_store_n(&sec->used, at + len, __ATOMIC_RELEASE);
	return (uint32_t)at;
}

static struct session_module *module_array(void)
{
	return (struct session_module *)recorder.shm.sect[SECT_MODULES].base;
}

static size_t align4(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* The GNU build-id among the notes at @p. */
static void find_build_id(struct session_module *m, const char *p, size_t len)
{
	while (len >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *n = (const void *)p;
		size_t name = sizeof(*n), desc = name + align4(n->n_namesz);
		size_t size = desc + align4(n->n_descsz);

		if (n->n_namesz > len || n->n_descsz > len || size > len)
			return;
		if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && !memcmp(p + name, "GNU", 4)) {
			m->build_id_len = n->n_descsz;
			if (m->build_id_len > SESSION_BUILD_ID_MAX)
				m->build_id_len = SESSION_BUILD_ID_MAX;
			memcpy(m->build_id, p + desc, m->build_id_len);
			return;
		}
		p += size;
		len -= size;
	}
}

/* Does a readable segment hold all of @part? */
static bool is_loaded(const struct dl_phdr_info *info, const ElfW(Phdr) *part)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uint64_t into = part->p_vaddr - ph->p_vaddr;

		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_R) && into < ph->p_filesz &&
		    part->p_memsz <= ph->p_filesz - into)
			return true;
	}
	return false;
}

static struct session_module describe(const struct dl_phdr_info *info)
{
	struct object o = objects_range(info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum);
	struct session_module m = { .bias = info->dlpi_addr, .start = o.start, .end = o.end };
	int i;

	for (i = 0; i < info->dlpi_phnum && !m.build_id_len; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type == PT_NOTE && is_loaded(info, ph))
			find_build_id(&m, (const char *)(info->dlpi_addr + ph->p_vaddr),
				      ph->p_memsz);
	}
	return m;
}

/* It is asked for once: a sandbox may forbid that later. */
static void program_path(char *out, size_t size)
{
	const struct session_module *all = module_array();
	ssize_t len = 0;

	for (uint64_t i = 1; i < recorder.hdr->section[SECT_MODULES].used; i++)
		if (all[i].flags & SESSION_MODULE_EXE) {
			const char *path = recorder.shm.sect[SECT_STRINGS].base + all[i].path;

			len = (ssize_t)strnlen(path, size - 1);
			memcpy(out, path, (size_t)len);
			break;
		}
	if (!len && !recorder.frozen)
		len = readlink("/proc/self/exe", out, size - 1);
	out[len > 0 ? len : 0] = '\0';
}

/* The absolute path of an object; the program itself has an empty name. */
static void module_path(const char *name, char *out, size_t size)
{
	size_t n = 0;

	if (!name[0]) {
		program_path(out, size);
		return;
	}
	if (name[0] != '/' && strchr(name, '/') && !recorder.frozen && getcwd(out, size - 1)) {
		n = strlen(out);
		out[n++] = '/';
	}
	strncpy(out + n, name, size - n - 1);
	out[size - 1] = '\0';
}

/* Is it the same object? One without a build-id is known by its place and path. */
static bool is_same(const struct session_module *a, const struct session_module *m, const char *path)
{
	const char *strings = recorder.shm.sect[SECT_STRINGS].base;

	if (a->bias != m->bias)
		return false;
	if (!m->build_id_len)
		return a->start <= m->start && m->end <= a->end && !strcmp(strings + a->path, path);
	return a->start == m->start && a->end == m->end && a->build_id_len == m->build_id_len &&
	       !memcmp(a->build_id, m->build_id, m->build_id_len);
}

/* Ends the modules whose addresses @m takes over. True: there were some. */
static bool supersede(const struct session_module *m, uint32_t epoch)
{
	struct session_module *all = module_array();
	bool any = false;

	for (uint64_t i = 1; i < recorder.hdr->section[SECT_MODULES].used; i++) {
		if (all[i].end_epoch || all[i].end <= m->start || m->end <= all[i].start)
			continue;
		all[i].end_epoch = epoch;
		any = true;
	}
	return any;
}

static bool is_known(const struct session_module *m, const char *path)
{
	const struct session_module *all = module_array();

	for (uint64_t i = 1; i < recorder.hdr->section[SECT_MODULES].used; i++)
		if (!all[i].end_epoch && is_same(&all[i], m, path))
			return true;
	return false;
}

static uint32_t module_flags(const char *name)
{
	if (!name[0])
		return SESSION_MODULE_EXE;
	return !strncmp(name, "linux-vdso", 10) || !strncmp(name, "linux-gate", 10) ?
		SESSION_MODULE_VDSO : 0;
}

/* The module joins the others, if it is new. True: it took over addresses of one that is gone. */
static bool append(struct session_module *m, const char *path)
{
	struct session_section *sec = &recorder.hdr->section[SECT_MODULES];
	uint32_t epoch = (uint32_t)recorder.hdr->epoch;
	bool superseded;

	if (is_known(m, path))
		return false;
	superseded = supersede(m, epoch + 1);
	if (superseded)
		__atomic_store_n(&recorder.hdr->epoch, ++epoch, __ATOMIC_RELEASE);
	m->first_epoch = epoch;
	m->path = session_string(path);
	if (!sec->used)
		sec->used = 1;
	if (shm_grow(&recorder.shm, SECT_MODULES, (sec->used + 1) * sizeof(*m))) {
		recorder_loss(LOSS_MODULES, 1);
	} else {
		module_array()[sec->used] = *m;
		__atomic_store_n(&sec->used, sec->used + 1, __ATOMIC_RELEASE);
	}
	return superseded;
}

static bool add(struct session_module *m, const char *name)
{
	char path[1024];
	bool superseded;

	m->flags = module_flags(name);
	module_path(name, path, sizeof(path));
	lock_acquire(&recorder.grow);
	superseded = append(m, path);
	lock_release(&recorder.grow);
	return superseded;
}

/* What dl_iterate_phdr would tell. False: the object's program headers are not behind its start. */
static bool read_headers(const struct object *o, struct dl_phdr_info *info)
{
	const ElfW(Ehdr) *elf = (const void *)o->start;
	size_t mapped = o->end - o->start;

	if (mapped < sizeof(*elf) || memcmp(elf->e_ident, ELFMAG, SELFMAG) ||
	    elf->e_phentsize != sizeof(ElfW(Phdr)) ||
	    elf->e_phoff + elf->e_phnum * sizeof(ElfW(Phdr)) > (mapped < 4096 ? mapped : 4096))
		return false;
	*info = (struct dl_phdr_info){
		.dlpi_addr = o->bias,
		.dlpi_phdr = (const void *)((const char *)elf + elf->e_phoff),
		.dlpi_phnum = elf->e_phnum,
	};
	return true;
}

bool modules_add(const struct object *o)
{
	struct session_module m = {
		.bias = o->bias,
		.start = o->start & ~4095ull,
		.end = (o->end + 4095) & ~4095ull,
	};
	struct dl_phdr_info info;

	if (read_headers(o, &info))
		m = describe(&info);
	return add(&m, o->name);
}

static int add_mapped(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct session_module m = describe(info);
	bool *program = arg;

	(void)size;
	if (m.start < m.end)
		add(&m, *program ? "" : info->dlpi_name);
	*program = false;
	return 0;
}

int modules_init(void)
{
	bool program = true;	/* it comes first */

	dl_iterate_phdr(add_mapped, &program);
	module_watch_init();
	return recorder.hdr->section[SECT_MODULES].used > 1 ? 0 : -ENOSPC;
}

// SPDX-License-Identifier: MIT
/* modules.c - see modules.h. */
#include "modules.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "recipes.h"
#include "recorder.h"

struct seen {
	unsigned long long adds, subs;
};

static struct seen seen;
static struct lock scan_lock;

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

static struct session_module describe(const struct dl_phdr_info *info)
{
	struct session_module m = { .bias = info->dlpi_addr, .start = UINT64_MAX };
	int i;

	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type != PT_LOAD)
			continue;
		if (start < m.start)
			m.start = start & ~4095ull;
		if (start + ph->p_memsz > m.end)
			m.end = (start + ph->p_memsz + 4095) & ~4095ull;
	}
	for (i = 0; i < info->dlpi_phnum && !m.build_id_len; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uint64_t at = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type == PT_NOTE && at >= m.start && at + ph->p_memsz <= m.end)
			find_build_id(&m, (const char *)at, ph->p_memsz);
	}
	return m;
}

/* The absolute path of an object; the program itself has an empty name. */
static void module_path(const char *name, char *out, size_t size)
{
	size_t n = 0;

	if (!name[0]) {
		ssize_t len = readlink("/proc/self/exe", out, size - 1);

		out[len > 0 ? len : 0] = '\0';
		return;
	}
	if (name[0] != '/' && strchr(name, '/') && getcwd(out, size - 1)) {
		n = strlen(out);
		out[n++] = '/';
	}
	strncpy(out + n, name, size - n - 1);
	out[size - 1] = '\0';
}

static bool same_object(const struct session_module *a, const struct session_module *b)
{
	return a->start == b->start && a->end == b->end && a->bias == b->bias &&
	       a->build_id_len == b->build_id_len &&
	       !memcmp(a->build_id, b->build_id, a->build_id_len);
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
	const char *strings = recorder.shm.sect[SECT_STRINGS].base;

	for (uint64_t i = 1; i < recorder.hdr->section[SECT_MODULES].used; i++)
		if (!all[i].end_epoch && same_object(&all[i], m) &&
		    (m->build_id_len || !strcmp(strings + all[i].path, path)))
			return true;
	return false;
}

static uint32_t module_flags(const char *name)
{
	if (!name[0])
		return SESSION_MODULE_EXE;
	return strncmp(name, "linux-vdso", 10) ? 0 : SESSION_MODULE_VDSO;
}

static int add_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct session_section *sec = &recorder.hdr->section[SECT_MODULES];
	struct session_module m = describe(info);
	char path[1024];

	(void)size;
	(void)arg;
	if (m.start >= m.end)
		return 0;
	module_path(info->dlpi_name, path, sizeof(path));
	lock_acquire(&recorder.grow);
	if (!is_known(&m, path)) {
		if (supersede(&m, (uint32_t)recorder.hdr->epoch + 1))
			__atomic_store_n(&recorder.hdr->epoch, recorder.hdr->epoch + 1,
					 __ATOMIC_RELEASE);
		m.first_epoch = (uint32_t)recorder.hdr->epoch;
		m.flags = module_flags(info->dlpi_name);
		m.path = session_string(path);
		if (!sec->used)
			sec->used = 1;
		if (shm_grow(&recorder.shm, SECT_MODULES, (sec->used + 1) * sizeof(m))) {
			recorder_loss(LOSS_MODULES, 1);
		} else {
			module_array()[sec->used] = m;
			__atomic_store_n(&sec->used, sec->used + 1, __ATOMIC_RELEASE);
		}
	}
	lock_release(&recorder.grow);
	return 0;
}

static int read_counters(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct seen *now = arg;

	if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(info->dlpi_subs)) {
		now->adds = info->dlpi_adds;
		now->subs = info->dlpi_subs;
	}
	return 1;
}

void modules_check(void)
{
	struct seen now = { 0 };

	dl_iterate_phdr(read_counters, &now);
	/*
	 * Never wait: the holder may be waiting for the loader's lock, which this
	 * thread holds when it allocates in a callback of dl_iterate_phdr.
	 */
	if (!lock_try(&scan_lock))
		return;
	if (now.subs != seen.subs) {
		recipes_flush();
		stack_capture_flush();
		__atomic_fetch_add(&recorder_gate.gate.flushes, 1, __ATOMIC_RELEASE);
	}
	if (now.adds != seen.adds)
		dl_iterate_phdr(add_module, NULL);
	seen = now;
	lock_release(&scan_lock);
}

int modules_init(void)
{
	dl_iterate_phdr(read_counters, &seen);
	dl_iterate_phdr(add_module, NULL);
	return recorder.hdr->section[SECT_MODULES].used > 1 ? 0 : -ENOSPC;
}

void modules_after_fork(void)
{
	lock_reset(&scan_lock);
}

// SPDX-License-Identifier: MIT
/* process_image.c - see process_image.h. */
#define _GNU_SOURCE
#include "kagent/process_image.h"

#include "common/array.h"
#include "common/io.h"
#include "common/proc_stat.h"
#include "report/elf_symbols.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MAPS_MAX	(16u << 20)
#define PAGE		4096ull

struct mapping {
	uint64_t start, end, offset;
	const char *path;
};

/* ---- maps ------------------------------------------------------------------- */

static bool parse_mapping(char *line, struct mapping *m)
{
	unsigned long long start, end, offset;
	int at = 0;
	char *deleted;

	if (sscanf(line, "%llx-%llx %*4s %llx %*s %*s %n", &start, &end, &offset, &at) < 3 ||
	    !at || line[at] != '/')
		return false;
	deleted = strstr(line + at, " (deleted)");
	if (deleted && !deleted[10])
		*deleted = 0;
	*m = (struct mapping){ start, end, offset, line + at };
	return true;
}

static struct image_module *find_current(struct process_image *p, const struct mapping *m)
{
	for (size_t i = 0; i < p->count; i++) {
		struct image_module *known = &p->modules[i];

		if (!known->end_epoch && m->start >= known->start && m->end <= known->end &&
		    !strcmp(known->path, m->path))
			return known;
	}
	return NULL;
}

/* The difference between addresses in memory and in the file, from one mapping's place. */
static bool bias_of(const struct elfid *e, const struct mapping *m, uint64_t *bias)
{
	for (uint32_t i = 0; i < e->segments; i++) {
		uint64_t first = e->segment[i].offset & ~(PAGE - 1);

		if (m->offset < first || m->offset >= e->segment[i].offset + e->segment[i].size)
			continue;
		*bias = m->start - ((e->segment[i].vaddr & ~(PAGE - 1)) + (m->offset - first));
		return true;
	}
	return false;
}

static void extent_of(struct image_module *m)
{
	m->start = UINT64_MAX;
	m->end = 0;
	for (uint32_t i = 0; i < m->elf.segments; i++) {
		uint64_t from = m->elf.segment[i].vaddr + m->bias;
		uint64_t to = from + m->elf.segment[i].size;

		if (from < m->start)
			m->start = from & ~(PAGE - 1);
		if (to > m->end)
			m->end = (to + PAGE - 1) & ~(PAGE - 1);
	}
}

/* Ends what lies where m is now. */
static void supersede(struct process_image *p, const struct image_module *m)
{
	bool any = false;

	for (size_t i = 0; i < p->count; i++) {
		struct image_module *old = &p->modules[i];

		if (old->end_epoch || old->end <= m->start || m->end <= old->start)
			continue;
		old->end_epoch = p->epoch + 1;
		any = true;
	}
	p->epoch += any;
}

static int add_module(struct process_image *p, struct image_module *m, const char *path)
{
	struct image_module *all = array_grow(p->modules, p->count, &p->room, sizeof(*all));

	if (!all)
		return -ENOMEM;
	p->modules = all;
	m->path = strdup(path);
	if (!m->path)
		return -ENOMEM;
	supersede(p, m);
	m->first_epoch = p->epoch;
	all[p->count++] = *m;
	return 0;
}

static int add_mapping(struct process_image *p, const struct mapping *map, const char *program)
{
	struct image_module m = { .first_map = map->start, .first_map_end = map->end,
				  .program = !strcmp(map->path, program) };
	char path[4096];

	process_image_file(p, &m, path);
	if (elfid_read(path, &m.elf)) {
		snprintf(path, sizeof(path), "/proc/%d/root%s", (int)p->pid, map->path);
		if (elfid_read(path, &m.elf))
			return 0;	/* a data file, or gone */
	}
	if (!bias_of(&m.elf, map, &m.bias))
		return 0;
	extent_of(&m);
	return add_module(p, &m, map->path);
}

static void read_link(pid_t pid, const char *what, char *text, size_t size)
{
	char path[64], *deleted;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	len = readlink(path, text, size - 1);
	text[len > 0 ? len : 0] = 0;
	deleted = strstr(text, " (deleted)");
	if (deleted && !deleted[10])
		*deleted = 0;
}

static int take_maps(struct process_image *p, char *text)
{
	char program[4096], *next;
	struct mapping m;
	int err = 0;

	read_link(p->pid, "exe", program, sizeof(program));
	for (; *text && !err; text = next) {
		struct image_module *known;

		next = text + strcspn(text, "\n");
		if (*next)
			*next++ = 0;
		if (!parse_mapping(text, &m))
			continue;
		known = find_current(p, &m);
		if (!known)
			err = add_mapping(p, &m, program);
		else if (!known->first_map) {
			known->first_map = m.start;
			known->first_map_end = m.end;
		}
	}
	return err;
}

int process_image_look(struct process_image *p)
{
	char path[64], *text;
	size_t len;
	int err;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)p->pid);
	err = io_read_file(path, MAPS_MAX, &text, &len);
	if (err == -ENOENT || (!err && !len)) {
		if (!err)
			free(text);
		return -ESRCH;
	}
	if (err)
		return err;
	err = take_maps(p, text);
	free(text);
	return err;
}

int process_image_place(struct process_image *p, const char *path, uint64_t start_code)
{
	struct image_module m = { .program = true };
	int err = elfid_read(path, &m.elf);

	if (err)
		return err;
	if (p->count || !m.elf.segments)
		return 0;
	/* binfmt_elf: the lowest address of the segments that can be executed */
	for (uint32_t i = m.elf.segments; i-- > 0;)
		if (m.elf.segment[i].executable)
			m.bias = start_code - m.elf.segment[i].vaddr;
	extent_of(&m);
	return add_module(p, &m, path);
}

struct image_module *process_image_find(const struct process_image *p, uint64_t addr)
{
	for (size_t i = 0; i < p->count; i++) {
		struct image_module *m = &p->modules[i];

		if (!m->end_epoch && addr >= m->start && addr < m->end)
			return m;
	}
	return NULL;
}

static bool is_root_name(const char *name)
{
	static const char *const roots[] = {
		"main", "_start", "__libc_start_main", "__libc_start_main_impl",
		"__libc_start_call_main", "start_thread",
		"clone", "__clone", "clone3", "__clone3", "start", "libc_start_main_stage2",
		"_dl_start_user", "_dl_init", "call_init", "__libc_csu_init", "_start_c",
	};

	size_t len = strcspn(name, ".@");

	for (size_t i = 0; i < sizeof(roots) / sizeof(*roots); i++)
		if (strlen(roots[i]) == len && !strncmp(name, roots[i], len))
			return true;
	return false;
}

bool process_image_is_root(struct process_image *p, uint64_t addr)
{
	struct image_module *m = process_image_find(p, addr);
	const char *name;
	uint64_t start;
	char path[4096];

	if (!m)
		return false;
	if (!m->symbols_tried) {
		m->symbols_tried = true;
		process_image_file(p, m, path);
		if (elf_symbols_open(path, NULL, 0, &m->symbols) &&
		    elf_symbols_open(m->path, m->elf.build_id, m->elf.build_id_len, &m->symbols))
			m->symbols = NULL;
	}
	name = m->symbols ? elf_symbols_find(m->symbols, addr - m->bias - 1, &start) : NULL;
	return name && is_root_name(name);
}

int process_image_copy(const struct process_image *from, pid_t pid, struct process_image *to)
{
	*to = (struct process_image){ .pid = pid, .epoch = from->epoch };
	to->program = from->program ? strdup(from->program) : NULL;
	to->modules = calloc(from->count + 1, sizeof(*to->modules));
	if (!to->modules)
		return -ENOMEM;
	to->room = from->count + 1;
	for (; to->count < from->count; to->count++) {
		struct image_module *m = &to->modules[to->count];

		*m = from->modules[to->count];
		m->path = strdup(m->path);
		if (!m->path)
			break;
		m->written = 0;
		m->symbols = NULL;
		m->symbols_tried = false;
	}
	if (to->count == from->count)
		return 0;
	process_image_free(to);
	return -ENOMEM;
}

void process_image_free(struct process_image *p)
{
	for (size_t i = 0; i < p->count; i++) {
		elf_symbols_close(p->modules[i].symbols);
		free(p->modules[i].path);
	}
	free(p->modules);
	p->modules = NULL;
	p->count = p->room = 0;
}

void process_image_file(const struct process_image *p, const struct image_module *m,
			char path[4096])
{
	if (m->first_map)
		snprintf(path, 4096, "/proc/%d/map_files/%llx-%llx", (int)p->pid,
			 (unsigned long long)m->first_map, (unsigned long long)m->first_map_end);
	else
		snprintf(path, 4096, "%s", m->path ? m->path : "");
}

/* ---- the session -------------------------------------------------------------- */

static uint32_t proc_string(struct session_writer *w, pid_t pid, const char *what, char separator)
{
	char path[64], *text;
	uint32_t at;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	if (io_read_file(path, 1 << 20, &text, &len))
		return 0;
	while (len && (!text[len - 1] || text[len - 1] == '\n'))
		text[--len] = 0;
	for (size_t i = 0; i < len; i++)
		if (!text[i])
			text[i] = separator;
	at = session_writer_string(w, text);
	free(text);
	return at;
}

static void add_stat(pid_t pid, struct session_header *h)
{
	struct proc_stat s;

	if (proc_stat_read(pid, &s))
		return;
	h->ppid = (uint32_t)s.parent;
	h->start_ticks = s.start_ticks;
}

void process_image_program(const struct process_image *p, char *name, size_t size)
{
	char exe[4096];

	read_link(p->pid, "exe", exe, sizeof(exe));
	snprintf(name, size, "%s", basename(*exe || !p->program ? exe : p->program));
}

void process_image_remember_program(struct process_image *p)
{
	char exe[4096];

	read_link(p->pid, "exe", exe, sizeof(exe));
	if (*exe)
		p->program = strdup(exe);
}

static uint32_t uid_of(pid_t pid)
{
	char path[64], *text, *line;
	unsigned int uid = 0;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (io_read_file(path, 65536, &text, &len))
		return 0;
	line = strstr(text, "\nUid:");
	if (line)
		sscanf(line, "\nUid: %u", &uid);
	free(text);
	return uid;
}

static uint32_t first_line(struct session_writer *w, const char *path)
{
	uint32_t at = 0;
	size_t len;
	char *text;

	if (io_read_file(path, 65536, &text, &len))
		return 0;
	text[strcspn(text, "\n")] = 0;
	at = session_writer_string(w, text);
	free(text);
	return at;
}

/* What a zombie cannot tell any more is what it was asked to be. */
static void name_program(const struct process_image *p, struct session_writer *w)
{
	struct session_header *h = session_writer_header(w);
	uint32_t cmdline = proc_string(w, p->pid, "cmdline", ' ');
	char exe[4096];

	read_link(p->pid, "exe", exe, sizeof(exe));
	if (!*exe && p->program)
		snprintf(exe, sizeof(exe), "%s", p->program);
	if (*exe)
		h->exe = session_writer_string(w, exe);
	if (cmdline || !h->cmdline)
		h->cmdline = cmdline ? cmdline : h->exe;
	h->comm = proc_string(w, p->pid, "comm", ' ');
	if (!h->comm)
		h->comm = session_writer_string(w, basename(exe));
}

void process_image_identify(const struct process_image *p, struct session_writer *w)
{
	struct session_header *h = session_writer_header(w);
	char path[64], *text, *cgroup;
	struct utsname u;
	size_t len;

	uname(&u);
	name_program(p, w);
	add_stat(p->pid, h);
	h->pid = (uint32_t)p->pid;
	h->uid = uid_of(p->pid);
	h->host = session_writer_string(w, u.nodename);
	h->kernel = session_writer_string(w, u.release);
	h->boot_id = first_line(w, "/proc/sys/kernel/random/boot_id");
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)p->pid);
	if (io_read_file(path, 65536, &text, &len))
		return;
	cgroup = strstr(text, "0::");
	if (cgroup) {
		cgroup[strcspn(cgroup, "\n")] = 0;
		h->cgroup = session_writer_string(w, cgroup + 3);
	}
	free(text);
}

static void write_module(struct image_module *m, struct session_writer *w)
{
	struct session_module s = {
		.start = m->start, .end = m->end, .bias = m->bias,
		.first_epoch = m->first_epoch, .end_epoch = m->end_epoch,
		.path = session_writer_string(w, m->path), .build_id_len = m->elf.build_id_len,
		.flags = m->program ? SESSION_MODULE_EXE : 0,
	};

	memcpy(s.build_id, m->elf.build_id, m->elf.build_id_len);
	m->written = session_writer_module(w, &s);
}

void process_image_write(struct process_image *p, struct session_writer *w)
{
	for (size_t i = 0; i < p->count; i++) {
		struct image_module *m = &p->modules[i];
		struct session_module *written;

		if (!m->written) {
			write_module(m, w);
			continue;
		}
		written = session_writer_edit_module(w, m->written);
		if (written)
			written->end_epoch = m->end_epoch;
	}
	session_writer_header(w)->epoch = p->epoch;
}

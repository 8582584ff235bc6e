// SPDX-License-Identifier: MIT
/* userspace.c - address spaces from /proc/PID/maps (proc(5)), modules by build-id. */
#include "kagent/userspace.h"

#include "common/io.h"
#include "kagent/elfid.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPS_MAX	(16u << 20)
#define BASE		(1ull << 56)	/* beyond any user address */
#define ROOM		(1ull << 32)	/* per module */

struct module {
	char *path;
	struct elfid elf;
};

struct range {
	uint64_t start, end, offset;
	size_t module;
};

struct space {
	uint32_t pid;
	struct range *ranges;
	size_t count;
};

struct userspace {
	char *proc;
	struct module *modules;
	size_t module_count;
	struct space *spaces;
	size_t space_count;
};

int userspace_open(const char *proc, struct userspace **out)
{
	struct userspace *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->proc = strdup(proc);
	if (!u->proc) {
		free(u);
		return -ENOMEM;
	}
	*out = u;
	return 0;
}

void userspace_new_round(struct userspace *u)
{
	for (size_t i = 0; i < u->space_count; i++)
		free(u->spaces[i].ranges);
	free(u->spaces);
	u->spaces = NULL;
	u->space_count = 0;
}

void userspace_close(struct userspace *u)
{
	if (!u)
		return;
	userspace_new_round(u);
	for (size_t i = 0; i < u->module_count; i++)
		free(u->modules[i].path);
	free(u->modules);
	free(u->proc);
	free(u);
}

static bool same_file(const struct module *m, const char *path, const struct elfid *elf)
{
	return !strcmp(m->path, path) && m->elf.build_id_len == elf->build_id_len &&
	       !memcmp(m->elf.build_id, elf->build_id, elf->build_id_len);
}

/* The index of the module, or -errno. */
static long intern_module(struct userspace *u, const char *path, const struct elfid *elf)
{
	struct module *bigger;
	size_t i;

	for (i = 0; i < u->module_count; i++)
		if (same_file(&u->modules[i], path, elf))
			return i;
	bigger = realloc(u->modules, (i + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	u->modules = bigger;
	bigger[i].path = strdup(path);
	if (!bigger[i].path)
		return -ENOMEM;
	bigger[i].elf = *elf;
	u->module_count++;
	return i;
}

static int add_range(struct userspace *u, struct space *s, const struct range *r, const char *path)
{
	struct range *bigger;
	struct elfid elf;
	char file[4096];
	long module;

	/* seen from inside the process: another mount namespace perhaps */
	if (snprintf(file, sizeof(file), "%s/%u/root%s", u->proc, s->pid, path) >=
		    (int)sizeof(file) ||
	    elfid_read(file, &elf))
		return 0;
	module = intern_module(u, path, &elf);
	if (module < 0)
		return module;
	bigger = realloc(s->ranges, (s->count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	s->ranges = bigger;
	bigger[s->count] = *r;
	bigger[s->count++].module = module;
	return 0;
}

static int parse_maps(struct userspace *u, struct space *s, char *text)
{
	unsigned long long start, end, offset;
	char perms[5], *next, *path;
	int err = 0, at;

	for (; *text && !err; text = next) {
		next = text + strcspn(text, "\n");
		if (*next)
			*next++ = 0;
		at = 0;
		if (sscanf(text, "%llx-%llx %4s %llx %*s %*s %n", &start, &end, perms, &offset,
			   &at) < 4 ||
		    !at || perms[2] != 'x')
			continue;
		path = text + at;
		if (path[0] == '/')
			err = add_range(u, s, &(struct range) { start, end, offset, 0 }, path);
	}
	return err;
}

static struct space *read_space(struct userspace *u, uint32_t pid)
{
	struct space *bigger = realloc(u->spaces, (u->space_count + 1) * sizeof(*bigger)), *s;
	char path[64], *text;
	size_t len;

	if (!bigger)
		return NULL;
	u->spaces = bigger;
	s = &bigger[u->space_count++];
	*s = (struct space) { .pid = pid };
	snprintf(path, sizeof(path), "%s/%u/maps", u->proc, pid);
	if (!io_read_file(path, MAPS_MAX, &text, &len)) {
		parse_maps(u, s, text);
		free(text);
	}
	return s;
}

static struct space *find_space(struct userspace *u, uint32_t pid)
{
	for (size_t i = 0; i < u->space_count; i++)
		if (u->spaces[i].pid == pid)
			return &u->spaces[i];
	return read_space(u, pid);
}

uint64_t userspace_translate(struct userspace *u, uint32_t pid, uint64_t addr)
{
	struct space *s = find_space(u, pid);

	for (size_t i = 0; s && i < s->count; i++) {
		const struct range *r = &s->ranges[i];
		uint64_t vaddr;

		if (addr < r->start || addr >= r->end)
			continue;
		vaddr = elfid_vaddr(&u->modules[r->module].elf, addr - r->start + r->offset);
		return vaddr < ROOM ? BASE + r->module * ROOM + vaddr : addr;
	}
	return addr;
}

size_t userspace_module_count(const struct userspace *u)
{
	return u->module_count;
}

struct user_module userspace_module(const struct userspace *u, size_t i)
{
	const struct module *m = &u->modules[i];

	return (struct user_module) {
		.path = m->path, .start = BASE + i * ROOM, .end = BASE + (i + 1) * ROOM,
		.build_id = m->elf.build_id, .build_id_len = m->elf.build_id_len,
	};
}

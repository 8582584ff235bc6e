// SPDX-License-Identifier: MIT
/* ksyms.c - kernel symbols, kept as one text and an array sorted by address. */
#include "kagent/ksyms.h"

#include "common/io.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX	(256u << 20)	/* bytes of kallsyms that are read */

struct entry {
	uint64_t start;
	uint32_t name, module;		/* offsets in text; module 0: the kernel */
};

struct module {
	char name[64];
	uint64_t start, size;
};

struct ksyms {
	char *text;
	struct module *modules;
	size_t module_count;
	struct entry *entries;
	size_t count, room;
};

/* "ffffffff81000000 T name\t[module]": a line that is cut apart in place. */
struct line {
	uint64_t addr;
	char type;
	char *name, *module;
};

static bool parse_line(char *s, struct line *l)
{
	char *end, *tab;

	errno = 0;
	l->addr = strtoull(s, &end, 16);
	if (end == s || errno || end[0] != ' ' || !end[1] || end[2] != ' ' || !end[3])
		return false;
	l->type = end[1];
	l->name = end + 3;
	l->module = NULL;
	tab = strchr(l->name, '\t');
	if (tab && tab[1] == '[') {
		*tab = 0;
		l->module = tab + 2;
		end = strchr(l->module, ']');
		if (end)
			*end = 0;
	}
	return l->name[0] != 0;
}

static bool is_function(char type)
{
	return strchr("tTwW", type) != NULL;
}

static int add(struct ksyms *k, const struct line *l)
{
	struct entry *bigger;

	if (k->count == k->room) {
		size_t room = k->room ? k->room * 2 : 65536;

		bigger = realloc(k->entries, room * sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		k->entries = bigger;
		k->room = room;
	}
	k->entries[k->count++] = (struct entry) {
		.start = l->addr,
		.name = l->name - k->text,
		.module = l->module ? l->module - k->text : 0,
	};
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	/* Of several names of one address the first in the file is found. */
	return x->name < y->name ? -1 : x->name > y->name;
}

static int parse(struct ksyms *k)
{
	bool any = false, visible = false;
	char *s, *next;
	struct line l;
	int err;

	for (s = k->text; *s; s = next) {
		next = s + strcspn(s, "\n");
		if (*next)
			*next++ = 0;
		if (!parse_line(s, &l))
			continue;
		any = true;
		visible |= l.addr != 0;
		if (!is_function(l.type) || !l.addr)
			continue;
		err = add(k, &l);
		if (err)
			return err;
	}
	if (!any)
		return -EINVAL;
	if (!visible)
		return -EPERM;
	qsort(k->entries, k->count, sizeof(*k->entries), by_start);
	return 0;
}

/* "name size uses users state address"; without modules there is nothing to check. */
static int load_modules(struct ksyms *k, const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned long long size, start;
	struct module *bigger;
	char line[1024], name[64];
	int err = 0;

	while (f && !err && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %llu %*s %*s %*s 0x%llx", name, &size, &start) != 3 ||
		    !start)
			continue;
		bigger = realloc(k->modules, (k->module_count + 1) * sizeof(*bigger));
		if (!bigger) {
			err = -ENOMEM;
			break;
		}
		k->modules = bigger;
		bigger[k->module_count] = (struct module) { .start = start, .size = size };
		memcpy(bigger[k->module_count++].name, name, sizeof(name));
	}
	if (f)
		fclose(f);
	return err;
}

/* Is addr beyond the module that the nearest symbol is of? */
static bool is_outside(const struct ksyms *k, const char *module, uint64_t addr)
{
	for (size_t i = 0; i < k->module_count; i++)
		if (!strcmp(k->modules[i].name, module))
			return addr - k->modules[i].start >= k->modules[i].size;
	return false;
}

int ksyms_load(const char *kallsyms, const char *modules, struct ksyms **out)
{
	struct ksyms *k = calloc(1, sizeof(*k));
	size_t len;
	int err;

	if (!k)
		return -ENOMEM;
	err = io_read_file(kallsyms, TEXT_MAX, &k->text, &len);
	if (!err)
		err = parse(k);
	if (!err && modules)
		err = load_modules(k, modules);
	if (err) {
		ksyms_free(k);
		return err;
	}
	*out = k;
	return 0;
}

void ksyms_free(struct ksyms *k)
{
	if (!k)
		return;
	free(k->text);
	free(k->modules);
	free(k->entries);
	free(k);
}

int ksyms_find(const struct ksyms *k, uint64_t addr, struct ksym *sym)
{
	size_t low = 0, high = k->count, mid;
	const struct entry *e;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (k->entries[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return -ENOENT;
	e = &k->entries[low - 1];
	while (e > k->entries && e[-1].start == e->start)
		e--;
	if (e->module && is_outside(k, k->text + e->module, addr))
		return -ENOENT;
	sym->start = e->start;
	sym->name = k->text + e->name;
	sym->module = e->module ? k->text + e->module : "";
	return 0;
}

int ksyms_data_address(const char *name, uint64_t *addr)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	size_t room = 0;
	char *text = NULL;
	struct line l;

	*addr = 0;
	while (f && !*addr && getline(&text, &room, f) > 0) {
		text[strcspn(text, "\n")] = 0;
		if (parse_line(text, &l) && !l.module && !strcmp(l.name, name))
			*addr = l.addr;
	}
	free(text);
	if (f)
		fclose(f);
	return *addr ? 0 : -ENOENT;
}

// SPDX-License-Identifier: MIT
/* symbols.c - the resolved addresses of a capture. */
#include "kagent/symbols.h"

#include "common/hash_index.h"
#include "kagent/ksyms.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct known {
	uint64_t addr, offset;
	char *name, *module;	/* one allocation, at name */
};

struct symbols {
	char *path;
	struct ksyms *ksyms;
	uint64_t modules;	/* fingerprint of /proc/modules when ksyms were read */
	bool checked;		/* in this round, that the modules are still the same */
	bool fresh;		/* ksyms were read in this round */
	struct known *list;
	size_t count, room;
	struct hash_index index;
};

int symbols_open(const char *kallsyms, struct symbols **out)
{
	struct symbols *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->path = strdup(kallsyms);
	if (!s->path) {
		free(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

void symbols_close(struct symbols *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		free(s->list[i].name);
	free(s->list);
	hash_index_free(&s->index);
	ksyms_free(s->ksyms);
	free(s->path);
	free(s);
}

void symbols_new_round(struct symbols *s)
{
	s->checked = s->fresh = false;
}

/* Of names and addresses: the counts of users beside them change all the time. */
static uint64_t modules_fingerprint(void)
{
	FILE *f = fopen("/proc/modules", "re");
	char line[1024], name[64], address[32];
	uint64_t hash = 1;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %*s %*s %*s %*s %31s", name, address) != 2)
			continue;
		hash = hash_bytes(name, strlen(name), hash);
		hash = hash_bytes(address, strlen(address), hash);
	}
	if (f)
		fclose(f);
	return hash;
}

static int read_ksyms(struct symbols *s)
{
	uint64_t modules = modules_fingerprint();
	struct ksyms *k;
	int err = ksyms_load(s->path, "/proc/modules", &k);

	if (err)
		return err;
	ksyms_free(s->ksyms);
	s->ksyms = k;
	s->modules = modules;
	s->checked = s->fresh = true;
	return 0;
}

/* kallsyms are large: they are read again only when there are other modules. */
static int bring_up_to_date(struct symbols *s)
{
	if (s->ksyms && (s->checked || modules_fingerprint() == s->modules)) {
		s->checked = true;
		return 0;
	}
	return read_ksyms(s);
}

/*
 * A return address may be the first byte behind a function that never returns, hence
 * addr - 1. BPF programs come and go without being modules.
 */
static int look_up(struct symbols *s, uint64_t addr, struct ksym *sym)
{
	int err = bring_up_to_date(s);

	if (err)
		return err;
	err = ksyms_find(s->ksyms, addr - 1, sym);
	if ((!err && strcmp(sym->module, "bpf")) || s->fresh)
		return err;
	err = read_ksyms(s);
	return err ? err : ksyms_find(s->ksyms, addr - 1, sym);
}

static bool same_addr(const void *owner, uint32_t index, const void *key)
{
	const struct symbols *s = owner;

	return s->list[index].addr == *(const uint64_t *)key;
}

static uint32_t find(const struct symbols *s, uint64_t addr)
{
	return hash_index_find(&s->index, hash_mix(addr), same_addr, s, &addr);
}

static int resolve(struct symbols *s, uint64_t addr, struct known *k)
{
	struct ksym sym = { "", "", addr };
	size_t name_len;
	int err;

	err = look_up(s, addr, &sym);
	if (err && err != -ENOENT)
		return err;
	if (err)
		sym = (struct ksym) { "", "", addr };
	name_len = strlen(sym.name) + 1;
	k->name = malloc(name_len + strlen(sym.module) + 1);
	if (!k->name)
		return -ENOMEM;
	k->module = k->name + name_len;
	strcpy(k->name, sym.name);
	strcpy(k->module, sym.module);
	k->addr = addr;
	k->offset = addr - sym.start;
	return 0;
}

int symbols_add(struct symbols *s, uint64_t addr)
{
	struct known *bigger, k;
	int err;

	if (find(s, addr) != HASH_INDEX_NONE)
		return 0;
	if (s->count == s->room) {
		size_t room = s->room ? s->room * 2 : 256;

		bigger = realloc(s->list, room * sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		s->list = bigger;
		s->room = room;
	}
	err = resolve(s, addr, &k);
	if (err)
		return err;
	err = hash_index_add(&s->index, hash_mix(addr), s->count);
	if (err) {
		free(k.name);
		return err;
	}
	s->list[s->count++] = k;
	return 0;
}

size_t symbols_count(const struct symbols *s)
{
	return s->count;
}

struct symbol symbols_get(const struct symbols *s, size_t index)
{
	const struct known *k = &s->list[index];

	return (struct symbol) { k->addr, k->offset, k->name, k->module };
}

struct symbol symbols_find(const struct symbols *s, uint64_t addr)
{
	uint32_t i = find(s, addr);

	return i == HASH_INDEX_NONE ? (struct symbol) { addr, 0, "", "" } : symbols_get(s, i);
}

// SPDX-License-Identifier: MIT
/* module_watch.c - see module_watch.h. */
#include "module_watch.h"

#include <assert.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#include "modules.h"
#include "recipes.h"
#include "recorder.h"
#include "stack_table.h"

#define SETS		128u
#define WAYS		4u
#define FIRST_PAGE	4096u

/*
 * Objects that are in the session, a cache: whoever finds all as it was needs to
 * look no further. Written under the growth lock, `start` last.
 */
struct known {
	uintptr_t start, end;
	const void *id, *frames;
	uint64_t print;
};

static struct known known[SETS][WAYS];
static unsigned long long unloads;	/* dlpi_subs */
static uint64_t first_late;		/* index in SECT_MODULES: loaded since the start */

static struct known *set_of(uintptr_t start)
{
	return known[(start >> 12) * 0x9e3779b97f4a7c15ull >> 57];
}

static_assert(SETS == 1u << (64 - 57), "set_of");

/*
 * Bytes that another build of the object has otherwise: those behind its program
 * headers, where linkers put the build-id and the other notes.
 */
static uint64_t fingerprint(const struct object *o)
{
	const ElfW(Ehdr) *elf = (const void *)o->start;
	size_t at = sizeof(*elf) + elf->e_phnum * sizeof(ElfW(Phdr));
	uint64_t print = 0, word;

	for (size_t end = at + 128; at < end && at + sizeof(word) <= FIRST_PAGE; at += sizeof(word)) {
		__builtin_memcpy(&word, (const char *)elf + at, sizeof(word));	/* (no call) */
		print = (print ^ word) * 0x9e3779b97f4a7c15ull;
	}
	return print;
}

static bool is_where_it_was(const struct known *k, const struct object *o)
{
	return k->end == o->end && k->id == o->id && k->frames == o->frames;
}

/* (for an object that a frame of this thread leads into: it stays mapped meanwhile) */
static bool is_as_it_was(const struct known *k, const struct object *o)
{
	return is_where_it_was(k, o) && k->print == fingerprint(o);
}

static const struct known *find(uintptr_t start)
{
	const struct known *set = set_of(start);

	for (unsigned int i = 0; i < WAYS; i++)
		if (__atomic_load_n(&set[i].start, __ATOMIC_ACQUIRE) == start)
			return &set[i];
	return NULL;
}

static bool is_known(const struct object *o)
{
	const struct known *k = find(o->start);

	return k && is_as_it_was(k, o);
}

static void remember(const struct object *o)
{
	struct known *set = set_of(o->start), *k = set;

	lock_acquire(&recorder.grow);
	for (unsigned int i = 1; i < WAYS && k->start; i++)
		if (k->start != o->start)
			k = &set[i];
	__atomic_store_n(&k->start, 0, __ATOMIC_RELEASE);
	k->end = o->end;
	k->id = o->id;
	k->frames = o->frames;
	k->print = fingerprint(o);
	__atomic_store_n(&k->start, o->start, __ATOMIC_RELEASE);
	lock_release(&recorder.grow);
}

static void void_kept(void)
{
	recipes_flush();
	stack_capture_flush();
	__atomic_fetch_add(&recorder_gate.gate.flushes, 1, __ATOMIC_RELEASE);
}

static void forget_all(void)
{
	objects_unloaded();
	lock_acquire(&recorder.grow);
	memset(known, 0, sizeof(known));
	stack_table_doubt();
	lock_release(&recorder.grow);
	void_kept();
}

/*
 * Is one of those that came late still there? Another one each time. Its memory is not
 * read: another thread may be unloading it.
 */
static void check_next(void)
{
	const struct session_module *all = (const void *)recorder.shm.sect[SECT_MODULES].base;
	uint64_t used = __atomic_load_n(&recorder.hdr->section[SECT_MODULES].used, __ATOMIC_ACQUIRE);
	static uint32_t turn;
	struct object o;
	const struct known *k;
	uintptr_t start;

	if (used <= first_late)
		return;
	start = all[first_late + __atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED) %
		    (used - first_late)].start;
	k = find(start);
	if (k && (!objects_find(start, &o) || !is_where_it_was(k, &o)))
		forget_all();
}

/* Does the return address @ip lead into @o? */
static bool is_of(const struct object *o, uintptr_t ip)
{
	return ip > o->start && ip <= o->end;
}

void module_watch_stack(const struct frame_cache *c, uint32_t depth)
{
	const struct kept_frame *f = &c->frame[c->count], *end = f - depth;
	struct object o = { .start = 0 }, last = o;

	check_next();
	while (f > end) {
		uintptr_t ip = (--f)->ip & ~FRAME_EXACT;

		/* neighbours are often of one object, or of the one before */
		if (is_of(&o, ip))
			continue;
		if (is_of(&last, ip)) {
			struct object swap = o;

			o = last;
			last = swap;
			continue;
		}
		last = o;
		if (!objects_find(ip - 1, &o) || is_known(&o))
			continue;
		if (modules_add(&o))
			void_kept();
		remember(&o);
	}
}

static int read_unloads(struct dl_phdr_info *info, size_t size, void *arg)
{
	if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(info->dlpi_subs))
		*(unsigned long long *)arg = info->dlpi_subs;
	return 1;
}

void module_watch_dlclose(void)
{
	unsigned long long now = 0;

	dl_iterate_phdr(read_unloads, &now);
	if (__atomic_exchange_n(&unloads, now, __ATOMIC_RELAXED) == now)
		return;
	forget_all();
}

void module_watch_init(void)
{
	if (first_late)	/* there was a recording before */
		memset(known, 0, sizeof(known));
	first_late = recorder.hdr->section[SECT_MODULES].used;
	dl_iterate_phdr(read_unloads, &unloads);
}

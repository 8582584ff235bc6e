// SPDX-License-Identifier: MIT
/* import.c - imported sites into a session. */
#include "kagent/import.h"

#include "common/hash_index.h"
#include "common/session_writer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define FIRST_ADDRESS	0xf000000000000000ull	/* where no kernel has code */
#define OBJECTS_MAX	1000000u		/* listed one by one */

struct named {
	char text[64];
	uint32_t index;
};

struct import {
	struct session_writer *w;
	struct import_frame *frames;	/* distinct; address: FIRST_ADDRESS + 16 * index */
	size_t frame_count, frame_room;
	struct hash_index index;
	struct named *caches;
	size_t cache_count;
	uint64_t objects;
	bool totals_only;
};

int import_new(const char *path, struct import **out)
{
	struct import *im = calloc(1, sizeof(*im));
	struct session_header *h;
	struct utsname u;
	int err = -ENOMEM;

	if (im)
		err = session_writer_create(path, SESSION_KERNEL, SESSION_WRITE_WHOLE, &im->w);
	if (err) {
		free(im);
		return err;
	}
	uname(&u);
	h = session_writer_header(im->w);
	/* Time begins with the boot, before every object: ages reach behind the import. */
	h->clock.realtime_ns0 -= h->clock.ns0;
	h->clock.tick1 = h->clock.ns1 = h->clock.ns0;
	h->clock.tick0 = h->clock.ns0 = 0;
	h->comm = session_writer_string(im->w, "kagent");
	h->cmdline = session_writer_string(im->w, "kagent import");
	h->host = session_writer_string(im->w, u.nodename);
	h->kernel = session_writer_string(im->w, u.release);
	h->pid = getpid();
	h->mean_count = 1;
	h->sample_mean[0] = 1;
	*out = im;
	return 0;
}

static void import_free(struct import *im)
{
	free(im->frames);
	free(im->caches);
	hash_index_free(&im->index);
	free(im);
}

void import_abort(struct import *im)
{
	if (!im)
		return;
	session_writer_abort(im->w);
	import_free(im);
}

void import_totals_only(struct import *im)
{
	im->totals_only = true;
	session_writer_clear_krecords(im->w);
	session_writer_header(im->w)->features |= SESSION_F_TOTALS;
}

int import_finish(struct import *im)
{
	int err = session_writer_finish(im->w, SESSION_END_STOPPED);

	import_free(im);
	return err;
}

/* ---- frames ---- */

static uint64_t frame_hash(const struct import_frame *f)
{
	uint64_t h = hash_bytes(f->name, strlen(f->name), f->offset * 31 + f->line);

	h = hash_bytes(f->module, strlen(f->module), h);
	return hash_bytes(f->file, strlen(f->file), h);
}

static bool same_frame(const void *owner, uint32_t index, const void *key)
{
	const struct import_frame *a = &((const struct import *)owner)->frames[index], *b = key;

	return !strcmp(a->name, b->name) && !strcmp(a->module, b->module) &&
	       !strcmp(a->file, b->file) && a->offset == b->offset && a->line == b->line;
}

static void name_address(struct import *im, uint64_t addr, const struct import_frame *f)
{
	struct session_ksym k = {
		.addr = addr, .offset = f->offset, .line = f->line,
		.name = session_writer_string(im->w, f->name),
		.module = session_writer_string(im->w, f->module),
		.file = session_writer_string(im->w, f->file),
	};

	session_writer_ksym(im->w, &k);
}

/* The address that stands for a frame, 0 without memory. */
static uint64_t address_of(struct import *im, const struct import_frame *f)
{
	uint64_t hash = frame_hash(f), addr;
	uint32_t i = hash_index_find(&im->index, hash, same_frame, im, f);
	struct import_frame *bigger;

	if (i != HASH_INDEX_NONE)
		return FIRST_ADDRESS + i * 16ull;
	if (im->frame_count == im->frame_room) {
		size_t room = im->frame_room ? im->frame_room * 2 : 64;

		bigger = realloc(im->frames, room * sizeof(*bigger));
		if (!bigger)
			return 0;
		im->frames = bigger;
		im->frame_room = room;
	}
	im->frames[im->frame_count] = *f;
	if (hash_index_add(&im->index, hash, im->frame_count))
		return 0;
	addr = FIRST_ADDRESS + im->frame_count++ * 16ull;
	name_address(im, addr, f);
	return addr;
}

/* ---- sites and objects ---- */

static uint32_t cache_of(struct import *im, const struct import_site *s)
{
	struct session_cache c = {
		.name = session_writer_string(im->w, s->cache),
		.object_size = s->count ? s->bytes / s->count : 0,
	};
	struct named *bigger;

	if (!s->cache[0])
		return 0;
	for (size_t i = 0; i < im->cache_count; i++)
		if (!strcmp(im->caches[i].text, s->cache))
			return im->caches[i].index;
	bigger = realloc(im->caches, (im->cache_count + 1) * sizeof(*bigger));
	if (!bigger)
		return 0;
	im->caches = bigger;
	c.slab_size = c.object_size;
	memcpy(bigger[im->cache_count].text, s->cache, sizeof(s->cache));
	bigger[im->cache_count].index = session_writer_cache(im->w, &c);
	return bigger[im->cache_count++].index;
}

static uint32_t task_of(struct import *im, const struct import_site *s)
{
	struct session_task t = { .pid = s->pid, .tid = s->pid };

	if (!s->pid && !s->comm[0])
		return 0;
	memcpy(t.comm, s->comm, sizeof(t.comm));
	return session_writer_task(im->w, &t);
}

static void add_objects(struct import *im, const struct import_site *s, uint32_t stack)
{
	struct session_header *h = session_writer_header(im->w);
	struct session_krecord r = {
		.stack = stack, .cache = cache_of(im, s), .task = task_of(im, s),
		.verdict = VERDICT_LIVE, .kind = KREC_SLAB,
	};
	uint64_t size = s->bytes / s->count, rest = s->bytes % s->count;

	r.tick = h->clock.ns1 > s->age_ns ? h->clock.ns1 - s->age_ns : 0;
	for (uint64_t i = 0; i < s->count; i++) {
		im->objects++;
		r.addr = s->addr ? s->addr : FIRST_ADDRESS / 2 + 64 * im->objects;
		r.size = size + (i < rest);
		session_writer_krecord(im->w, &r);
	}
}

int import_add(struct import *im, const struct import_site *s)
{
	uint64_t frames[IMPORT_FRAMES];
	struct session_site site = {
		.thread_slot = cache_of(im, s), .alloc_count = s->count, .alloc_bytes = s->bytes,
	};
	struct session_stack *stack;

	if (!s->count)
		return 0;
	for (uint32_t i = 0; i < s->depth; i++) {
		frames[i] = address_of(im, &s->frame[i]);
		if (!frames[i])
			return -ENOMEM;
	}
	site.stack = s->depth ? session_writer_stack(im->w, frames, s->depth, 0,
							      site.thread_slot)
			      : 1;
	session_writer_site(im->w, &site);
	stack = session_writer_edit_stack(im->w, site.stack);
	if (stack) {
		stack->live_bytes += s->bytes;
		stack->peak_bytes += s->bytes;
	}
	if (im->totals_only)
		return 0;
	if (s->count > OBJECTS_MAX || im->objects + s->count > OBJECTS_MAX)
		import_totals_only(im);
	else
		add_objects(im, s, site.stack);
	return 0;
}

int import_parse_symbol(const char *text, struct import_frame *f)
{
	const char *plus = strrchr(text, '+'), *open;
	size_t len = plus ? (size_t)(plus - text) : strcspn(text, " \n");

	memset(f, 0, sizeof(*f));
	if (!len || len >= sizeof(f->name))
		return -EINVAL;
	memcpy(f->name, text, len);
	f->offset = plus ? strtoull(plus + 1, NULL, 16) : 0;
	open = strchr(text + len, '[');
	if (open) {
		len = strcspn(open + 1, "] ");
		if (len >= sizeof(f->module))
			len = sizeof(f->module) - 1;
		memcpy(f->module, open + 1, len);
	}
	return 0;
}

// SPDX-License-Identifier: MIT
/* session_writer.c - writes a session file from one thread. */
#define _GNU_SOURCE 1
#include "common/session_writer.h"

#include "common/hash_index.h"
#include "common/io.h"
#include "common/session_sizes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* First extent of a section; each further one doubles the section. */
#define FIRST_EXTENT_PAGES 16u

struct buffer {
	char *data;
	uint64_t used, room;	/* entries */
	uint64_t dirty;		/* entries from here on are not in the file as they are now */
	uint64_t file_bytes;	/* sum of the extents */
};

struct session_writer {
	struct session_header header;
	struct session_extent extents[SESSION_MAX_EXTENTS];
	struct buffer buf[SECT_MAX];
	struct hash_index strings, stacks;
	uint64_t end_page;	/* pages of the file given out */
	uint64_t traced;	/* trace events that are in the file */
	int err;		/* first failure */
	int fd;
	bool whole;
	char *path, *temp;
};

/* ---- sections in memory ---- */

static int reserve(struct buffer *b, uint32_t entry_size, uint64_t more)
{
	uint64_t room = b->room ? b->room : 64;
	char *data;

	while (room < b->used + more)
		room *= 2;
	if (room == b->room)
		return 0;
	data = realloc(b->data, room * entry_size);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->room = room;
	return 0;
}

/* Appends entries; the index of the first, or 0 with the error kept. */
static uint64_t append(struct session_writer *w, enum session_section_id id, const void *entries,
		       uint64_t count)
{
	struct buffer *b = &w->buf[id];
	uint32_t size = session_entry_size[id];
	uint64_t first = b->used;
	int err = first + count > UINT32_MAX ? -EOVERFLOW : reserve(b, size, count);

	if (err) {
		if (!w->err)
			w->err = err;
		return 0;
	}
	if (count)
		memcpy(b->data + first * size, entries, count * size);
	b->used += count;
	return first;
}

static uint32_t append_one(struct session_writer *w, enum session_section_id id, const void *entry)
{
	return (uint32_t)append(w, id, entry, 1);
}

static void *entry_at(const struct session_writer *w, enum session_section_id id, uint64_t index)
{
	const struct buffer *b = &w->buf[id];

	return index < b->used ? b->data + index * session_entry_size[id] : NULL;
}

static void *edit(struct session_writer *w, enum session_section_id id, uint32_t index)
{
	if (index < w->buf[id].dirty)
		w->buf[id].dirty = index;
	return entry_at(w, id, index);
}

/* ---- what callers add ---- */

struct session_header *session_writer_header(struct session_writer *w)
{
	return &w->header;
}

static bool string_equal(const void *owner, uint32_t offset, const void *key)
{
	const struct session_writer *w = owner;

	return !strcmp(w->buf[SECT_STRINGS].data + offset, key);
}

static void remember(struct session_writer *w, struct hash_index *t, uint64_t hash, uint32_t index)
{
	int err = hash_index_add(t, hash, index);

	if (err && !w->err)
		w->err = err;
}

uint32_t session_writer_string(struct session_writer *w, const char *s)
{
	uint64_t hash;
	uint32_t offset;
	size_t len;

	if (!s || !*s)
		return 0;
	len = strlen(s);
	hash = hash_bytes(s, len, 0);
	offset = hash_index_find(&w->strings, hash, string_equal, w, s);
	if (offset != HASH_INDEX_NONE)
		return offset;
	offset = (uint32_t)append(w, SECT_STRINGS, s, len + 1);
	if (offset)
		remember(w, &w->strings, hash, offset);
	return offset;
}

uint32_t session_writer_module(struct session_writer *w, const struct session_module *m)
{
	return append_one(w, SECT_MODULES, m);
}

uint32_t session_writer_thread(struct session_writer *w, const struct session_thread *t)
{
	return append_one(w, SECT_THREADS, t);
}

uint32_t session_writer_task(struct session_writer *w, const struct session_task *t)
{
	return append_one(w, SECT_TASKS, t);
}

struct stack_key {
	const uint64_t *frames;
	uint32_t depth, flags, epoch;
};

static bool stack_equal(const void *owner, uint32_t index, const void *key)
{
	const struct session_writer *w = owner;
	const struct stack_key *k = key;
	const struct session_stack *s = entry_at(w, SECT_STACKS, index);

	return s->depth == k->depth && s->flags == k->flags && s->epoch == k->epoch &&
	       (!k->depth || !memcmp(entry_at(w, SECT_FRAMES, s->frames), k->frames,
				     k->depth * sizeof(*k->frames)));
}

uint32_t session_writer_stack(struct session_writer *w, const uint64_t *frames, uint32_t depth,
			      uint32_t flags, uint32_t epoch)
{
	struct stack_key key = { frames, depth, flags, epoch };
	uint64_t hash = hash_bytes(frames, depth * sizeof(*frames), (uint64_t)flags << 32 | epoch);
	uint32_t index = hash_index_find(&w->stacks, hash, stack_equal, w, &key);
	struct session_stack s = {
		.hash = hash, .depth = depth, .flags = flags, .epoch = epoch,
	};

	if (index != HASH_INDEX_NONE)
		return index;
	if (w->buf[SECT_STACKS].used > REC_STACK_MASK) {
		w->header.loss[LOSS_STACKS_FULL]++;
		return 1;
	}
	s.frames = append(w, SECT_FRAMES, frames, depth);
	if (depth && !s.frames && w->err)
		return 0;
	index = append_one(w, SECT_STACKS, &s);
	if (index)
		remember(w, &w->stacks, hash, index);
	return index;
}

static uint32_t append_record(struct session_writer *w, const struct session_record *r,
			      uint16_t thread)
{
	append_one(w, SECT_RECORD_THREADS, &thread);
	return append_one(w, SECT_RECORDS, r);
}

uint32_t session_writer_record(struct session_writer *w, const struct session_block *b)
{
	uint32_t next = (uint32_t)w->buf[SECT_RECORDS].used;
	struct session_record_pair p = session_record_pack(b, 0, next);

	if (p.r.addr_size & REC_EXTENDED && !append_record(w, &p.extension, REC_THREAD_OTHER))
		return 0;
	return append_record(w, &p.r, (uint16_t)b->thread);
}

uint32_t session_writer_krecord(struct session_writer *w, const struct session_krecord *r)
{
	return append_one(w, SECT_KRECORDS, r);
}

uint32_t session_writer_site(struct session_writer *w, const struct session_site *s)
{
	return append_one(w, SECT_SITES, s);
}

uint32_t session_writer_ksym(struct session_writer *w, const struct session_ksym *k)
{
	return append_one(w, SECT_KSYMS, k);
}

uint32_t session_writer_cache(struct session_writer *w, const struct session_cache *c)
{
	return append_one(w, SECT_CACHES, c);
}

struct session_record *session_writer_edit_record(struct session_writer *w, uint32_t index)
{
	return edit(w, SECT_RECORDS, index);
}

struct session_krecord *session_writer_edit_krecord(struct session_writer *w, uint32_t index)
{
	return edit(w, SECT_KRECORDS, index);
}

struct session_site *session_writer_edit_site(struct session_writer *w, uint32_t index)
{
	return edit(w, SECT_SITES, index);
}

struct session_cache *session_writer_edit_cache(struct session_writer *w, uint32_t index)
{
	return edit(w, SECT_CACHES, index);
}

struct session_stack *session_writer_edit_stack(struct session_writer *w, uint32_t index)
{
	return edit(w, SECT_STACKS, index);
}

struct session_task *session_writer_edit_task(struct session_writer *w, uint32_t index)
{
	return edit(w, SECT_TASKS, index);
}

struct session_module *session_writer_edit_module(struct session_writer *w, uint32_t index)
{
	return edit(w, SECT_MODULES, index);
}

static void clear(struct session_writer *w, enum session_section_id id)
{
	struct buffer *b = &w->buf[id];

	b->used = b->used ? 1 : 0;	/* entry 0 stays "none" */
	b->dirty = 0;
}

void session_writer_clear_records(struct session_writer *w)
{
	clear(w, SECT_RECORDS);
	clear(w, SECT_RECORD_THREADS);
}

void session_writer_clear_krecords(struct session_writer *w)
{
	clear(w, SECT_KRECORDS);
}

uint32_t session_writer_time(struct session_writer *w, uint64_t tick)
{
	return append_one(w, SECT_TIMES, &tick);
}

void session_writer_point(struct session_writer *w, uint32_t time, uint32_t stack, uint64_t count,
			  uint64_t bytes)
{
	struct session_point p = { time, stack, count, bytes };

	append_one(w, SECT_TIMELINE, &p);
}

/* As libleak.so's: some seconds of a program that does nothing else. */
#define TRACE_SLOTS (1u << 15)

static bool begin_trace(struct session_writer *w)
{
	struct buffer *b = &w->buf[SECT_TRACE];
	int err = b->used ? 0 : reserve(b, sizeof(struct session_trace_event), TRACE_SLOTS);

	if (err && !w->err)
		w->err = err;
	if (err || b->used)
		return !err;
	memset(b->data, 0, TRACE_SLOTS * sizeof(struct session_trace_event));
	b->used = TRACE_SLOTS;
	w->header.features |= SESSION_F_TRACE;
	return true;
}

void session_writer_trace(struct session_writer *w, const struct session_trace_event *e)
{
	uint64_t n = w->header.trace_head;
	struct session_trace_event *slot;

	if (!begin_trace(w))
		return;
	slot = edit(w, SECT_TRACE, (uint32_t)(n % TRACE_SLOTS));
	*slot = *e;
	slot->seq = n + 1;
	w->header.trace_head = n + 1;
}

void session_writer_loss(struct session_writer *w, enum session_loss cause, uint64_t count)
{
	w->header.loss[cause] += count;
}

uint64_t session_writer_count(const struct session_writer *w, enum session_section_id id)
{
	return w->buf[id].used;
}

/* ---- the file ---- */

static int compare_ksyms(const void *a, const void *b)
{
	const struct session_ksym *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

static void sort_ksyms(struct session_writer *w)
{
	struct buffer *b = &w->buf[SECT_KSYMS];

	if (b->dirty >= b->used)
		return;
	qsort(b->data, b->used, sizeof(struct session_ksym), compare_ksyms);
	b->dirty = 0;
}

static int add_extent(struct session_writer *w, enum session_section_id id, uint64_t bytes)
{
	struct buffer *b = &w->buf[id];
	uint64_t pages = b->file_bytes / SESSION_PAGE;
	struct session_extent *e = &w->extents[w->header.extent_count];

	if (pages < FIRST_EXTENT_PAGES)
		pages = w->whole ? 1 : FIRST_EXTENT_PAGES;
	if (pages * SESSION_PAGE < bytes)
		pages = (bytes + SESSION_PAGE - 1) / SESSION_PAGE;
	if (w->header.extent_count == SESSION_MAX_EXTENTS || w->end_page + pages > UINT32_MAX)
		return -EFBIG;
	*e = (struct session_extent){ id, (uint32_t)w->end_page, (uint32_t)pages, 0 };
	w->end_page += pages;
	b->file_bytes += pages * SESSION_PAGE;
	w->header.extent_count++;
	w->header.section[id].bytes = b->file_bytes;
	return 0;
}

/* Writes bytes [from, to) of a section to where its extents lie. */
static int write_range(struct session_writer *w, enum session_section_id id, uint64_t from,
		       uint64_t to)
{
	uint64_t base = 0;

	for (uint32_t i = 0; i < w->header.extent_count && from < to; i++) {
		const struct session_extent *e = &w->extents[i];
		uint64_t len = (uint64_t)e->pages * SESSION_PAGE;

		if (e->section != (uint32_t)id)
			continue;
		if (from < base + len) {
			uint64_t n = to < base + len ? to - from : base + len - from;
			uint64_t offset = (uint64_t)e->start * SESSION_PAGE + (from - base);
			int err = io_pwrite_all(w->fd, w->buf[id].data + from, n, offset);

			if (err)
				return err;
			from += n;
		}
		base += len;
	}
	return 0;
}

static int write_section(struct session_writer *w, enum session_section_id id)
{
	struct buffer *b = &w->buf[id];
	uint64_t bytes = b->used * session_entry_size[id];
	int err = 0;

	if (bytes > b->file_bytes)
		err = add_extent(w, id, bytes - b->file_bytes);
	if (!err && b->dirty < b->used)
		err = write_range(w, id, b->dirty * session_entry_size[id], bytes);
	if (err)
		return err;
	w->header.section[id].used = b->used;
	b->dirty = b->used;
	return 0;
}

/* Sections first, then size, extents and header: a reader finds all that it is told of. */
static int write_file(struct session_writer *w)
{
	int err = w->err;

	sort_ksyms(w);
	for (int id = 1; id < SECT_MAX && !err; id++)
		if (w->buf[id].used)
			err = write_section(w, (enum session_section_id)id);
	if (err)
		return err;
	w->traced = w->header.trace_head;
	w->header.file_used = w->end_page * SESSION_PAGE;
	if (ftruncate(w->fd, (off_t)w->header.file_used))
		return -errno;
	err = io_pwrite_all(w->fd, w->extents, sizeof(w->extents), SESSION_EXTENT_TABLE);
	if (!err)
		err = io_pwrite_all(w->fd, &w->header, sizeof(w->header), 0);
	return err;
}

int session_writer_sync_trace(struct session_writer *w)
{
	struct buffer *b = &w->buf[SECT_TRACE];
	uint64_t head = w->header.trace_head, from = w->traced, size = sizeof(struct session_trace_event);
	int err = w->err;

	if (w->whole || head == from)
		return err;
	if (!b->file_bytes)
		return session_writer_sync(w);
	if (head - from > TRACE_SLOTS)
		from = head - TRACE_SLOTS;
	while (!err && from < head) {
		uint64_t slot = from % TRACE_SLOTS, count = head - from;

		if (count > TRACE_SLOTS - slot)
			count = TRACE_SLOTS - slot;
		err = write_range(w, SECT_TRACE, slot * size, (slot + count) * size);
		from += count;
	}
	/* events before their number: a reader finds all that it is told of */
	if (!err)
		err = io_pwrite_all(w->fd, &head, sizeof(head),
				    offsetof(struct session_header, trace_head));
	if (err)
		return err;
	b->dirty = b->used;
	w->traced = head;
	return 0;
}

int session_writer_sync(struct session_writer *w)
{
	if (w->whole)
		return w->err;
	w->header.state = SESSION_LIVE;
	return write_file(w);
}

int session_writer_finish(struct session_writer *w, enum session_end reason)
{
	int err;

	w->header.state = SESSION_ENDED;
	w->header.end_reason = reason;
	err = write_file(w);
	if (!err && w->temp && rename(w->temp, w->path))
		err = -errno;
	if (!err) {
		free(w->temp);
		w->temp = NULL;
	}
	session_writer_abort(w);
	return err;
}

void session_writer_abort(struct session_writer *w)
{
	if (!w)
		return;
	if (w->temp)
		unlink(w->temp);
	if (w->fd >= 0)
		close(w->fd);
	for (int id = 0; id < SECT_MAX; id++)
		free(w->buf[id].data);
	hash_index_free(&w->strings);
	hash_index_free(&w->stacks);
	free(w->path);
	free(w->temp);
	free(w);
}

/* ---- creation ---- */

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void init_header(struct session_header *h, enum session_kind kind)
{
	uint64_t mono = now_ns(CLOCK_MONOTONIC);

	memcpy(h->magic, SESSION_MAGIC, sizeof(h->magic));
	h->major = SESSION_MAJOR;
	h->minor = SESSION_MINOR;
	h->endian = SESSION_ENDIAN;
	h->header_size = SESSION_HEADER_SIZE;
	h->word_size = sizeof(void *);
	h->kind = (uint8_t)kind;
	h->clock = (struct session_clock){
		.tick0 = mono, .ns0 = mono, .tick1 = mono + 1, .ns1 = mono + 1,
		.realtime_ns0 = now_ns(CLOCK_REALTIME),
	};
	for (int id = 0; id < SECT_MAX; id++)
		h->section[id].entry_size = session_entry_size[id];
}

/* Entry 0 means "none" in these sections; stack 1 is the overflow stack. */
static void add_first_entries(struct session_writer *w)
{
	static const union {
		struct session_module module;
		struct session_site site;
		struct session_krecord krecord;
	} zero;
	static const enum session_section_id ids[] = {
		SECT_STRINGS, SECT_MODULES, SECT_FRAMES, SECT_STACKS, SECT_RECORDS, SECT_SITES,
		SECT_KRECORDS, SECT_CACHES, SECT_TASKS, SECT_RECORD_THREADS,
	};

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		append(w, ids[i], &zero, 1);
	session_writer_stack(w, NULL, 0, STACK_OVERFLOW, 0);
}

static int open_file(struct session_writer *w, const char *path)
{
	w->path = strdup(path);
	if (!w->path)
		return -ENOMEM;
	if (w->whole && asprintf(&w->temp, "%s.tmp%d", path, (int)getpid()) < 0) {
		w->temp = NULL;
		return -ENOMEM;
	}
	/* What somebody else put under the temporary name must not be written through. */
	if (w->whole)
		unlink(w->temp);
	w->fd = open(w->whole ? w->temp : path,
		     O_RDWR | O_CREAT | O_CLOEXEC | (w->whole ? O_EXCL : O_TRUNC), 0600);
	return w->fd < 0 ? -errno : 0;
}

int session_writer_create(const char *path, enum session_kind kind, enum session_writer_mode mode,
			  struct session_writer **out)
{
	struct session_writer *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->fd = -1;
	w->whole = mode == SESSION_WRITE_WHOLE;
	w->end_page = SESSION_HEADER_SIZE / SESSION_PAGE;
	init_header(&w->header, kind);
	err = open_file(w, path);
	if (!err) {
		add_first_entries(w);
		err = w->err;
	}
	if (err) {
		session_writer_abort(w);
		return err;
	}
	*out = w;
	return 0;
}

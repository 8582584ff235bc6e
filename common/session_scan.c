// SPDX-License-Identifier: MIT
/* session_scan.c - passes records, sites and points of a session through in chunks. */
#define _GNU_SOURCE 1
#include "common/session_reader.h"

#include "common/session_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (256u << 10)

/* How often a record that changes under the reader is read again. */
#define RECORD_TRIES 8

/* One pass over a section; fn gets each chunk of entries at the file's entry size. */
typedef int chunk_fn(void *arg, char *entries, uint64_t first, uint64_t count, uint32_t step);

static int each_chunk(struct session *s, enum session_section_id id, char *buf, chunk_fn *fn,
		      void *arg)
{
	const struct view *v = &s->view;
	uint32_t step = v->header.section[id].entry_size;
	uint64_t used = v->used[id], first = 0;

	while (first < used) {
		uint64_t data = session_skip_hole(v, s->fd, id, first * step) / step;
		uint64_t count = CHUNK_BYTES / step;
		int err;

		if (data > first)
			first = data;
		if (first >= used)
			break;
		if (count > used - first)
			count = used - first;
		err = session_read_section(v, s->fd, id, first * step, buf, count * step);
		if (!err)
			err = fn(arg, buf, first, count, step);
		if (err)
			return err;
		first += count;
	}
	return 0;
}

static int scan_section(struct session *s, enum session_section_id id, size_t buffers,
			chunk_fn *fn, void *arg)
{
	char *buf = malloc((size_t)CHUNK_BYTES * buffers);
	int err;

	if (!buf)
		return -ENOMEM;
	err = each_chunk(s, id, buf, fn, arg);
	free(buf);
	return err;
}

static bool known_stack(const struct session *s, uint64_t index)
{
	return index && index < session_count(s, SECT_STACKS);
}

/* In a live session an entry with a stack unknown at the last refresh is younger than that. */
static bool usable_stack(struct session *s, uint64_t index)
{
	if (known_stack(s, index))
		return true;
	if (s->view.header.state != SESSION_LIVE)
		s->damage.bad_entries++;
	return false;
}

/* ---- live allocations ---- */

struct block_scan {
	struct session *s;
	session_block_fn *fn;
	void *arg;
};

static void decode(const struct session_record *r, struct session_block *b)
{
	b->addr = r->addr_thread >> REC_ADDR_SHIFT;
	b->thread = (uint32_t)(r->addr_thread & REC_THREAD_MASK);
	b->tick = r->time_flags >> REC_TIME_SHIFT;
	b->kind = (uint8_t)((r->time_flags & REC_KIND_MASK) >> REC_KIND_SHIFT);
	b->mean = (uint8_t)((r->time_flags & REC_MEAN_MASK) >> REC_MEAN_SHIFT);
	b->inherited = r->time_flags & REC_INHERITED;
	b->size = r->size_stack >> REC_SIZE_SHIFT;
	if (b->kind == REC_MMAP)
		b->size *= 4096;
	b->stack = (uint32_t)(r->size_stack & REC_STACK_MASK);
}

static bool same_block(const struct session_record *a, const struct session_record *b)
{
	return a->addr_thread == b->addr_thread && a->time_flags == b->time_flags;
}

/*
 * Reads a record that changed while its chunk was read. The words of one pread
 * come in no particular order, so it takes three: the middle one's size and
 * stack belong to the block if the outer two saw the same block.
 */
static bool read_settled(struct block_scan *scan, uint64_t index, uint32_t step,
			 struct session_record *out)
{
	struct session *s = scan->s;
	struct session_record r[3];

	for (int try = 0; try < RECORD_TRIES; try++) {
		for (int i = 0; i < 3; i++)
			if (session_read_section(&s->view, s->fd, SECT_RECORDS, index * step,
						 &r[i], sizeof(r[i])))
				return false;
		if (same_block(&r[0], &r[2])) {
			*out = r[2];
			out->size_stack = r[1].size_stack;
			return true;
		}
	}
	s->damage.torn_entries++;
	return false;
}

static int emit_block(struct block_scan *scan, const struct session_record *r)
{
	struct session_block b;

	if (!r->addr_thread)
		return 0;
	decode(r, &b);
	return usable_stack(scan->s, b.stack) ? scan->fn(scan->arg, &b) : 0;
}

/* While it is being written, the chunk is read twice more, behind the first; see read_settled(). */
static int block_chunk(void *arg, char *entries, uint64_t first, uint64_t count, uint32_t step)
{
	struct block_scan *scan = arg;
	struct session *s = scan->s;
	bool live = s->view.header.state == SESSION_LIVE;
	char *between = entries + CHUNK_BYTES, *after = between + CHUNK_BYTES;
	int err = 0;

	for (int i = 1; i < 3 && live && !err; i++)
		err = session_read_section(&s->view, s->fd, SECT_RECORDS, first * step,
					   entries + (size_t)i * CHUNK_BYTES, count * step);
	for (uint64_t i = 0; i < count && !err; i++) {
		struct session_record r, last;

		memcpy(&r, entries + i * step, sizeof(r));
		if (live) {
			memcpy(&last, after + i * step, sizeof(last));
			if (!r.addr_thread && !last.addr_thread)
				continue;
			if (same_block(&r, &last)) {
				memcpy(&last, between + i * step, sizeof(last));
				r.size_stack = last.size_stack;
			} else if (!read_settled(scan, first + i, step, &r)) {
				continue;
			}
		}
		err = emit_block(scan, &r);
	}
	return err;
}

int session_each_block(struct session *s, session_block_fn *fn, void *arg)
{
	struct block_scan b = { .s = s, .fn = fn, .arg = arg };

	return scan_section(s, SECT_RECORDS, 3, block_chunk, &b);
}

/* ---- entries that need no second look ---- */

struct plain_scan {
	struct session *s;
	session_krecord_fn *krecord;
	session_site_fn *site;
	session_point_fn *point;
	void *arg;
};

static int krecord_chunk(void *arg, char *entries, uint64_t first, uint64_t count, uint32_t step)
{
	struct plain_scan *p = arg;
	struct session_krecord r;
	int err = 0;

	(void)first;
	for (uint64_t i = 0; i < count && !err; i++) {
		memcpy(&r, entries + i * step, sizeof(r));
		if (r.addr && usable_stack(p->s, r.stack))
			err = p->krecord(p->arg, &r);
	}
	return err;
}

static int site_chunk(void *arg, char *entries, uint64_t first, uint64_t count, uint32_t step)
{
	struct plain_scan *p = arg;
	struct session_site site;
	int err = 0;

	(void)first;
	for (uint64_t i = 0; i < count && !err; i++) {
		memcpy(&site, entries + i * step, sizeof(site));
		if (site.stack && usable_stack(p->s, site.stack))
			err = p->site(p->arg, &site);
	}
	return err;
}

static int point_chunk(void *arg, char *entries, uint64_t first, uint64_t count, uint32_t step)
{
	struct plain_scan *p = arg;
	struct session_point point;
	int err = 0;

	(void)first;
	for (uint64_t i = 0; i < count && !err; i++) {
		memcpy(&point, entries + i * step, sizeof(point));
		if (point.time >= session_count(p->s, SECT_TIMES))
			p->s->damage.bad_entries++;
		else if (usable_stack(p->s, point.stack))
			err = p->point(p->arg, &point);
	}
	return err;
}

int session_each_krecord(struct session *s, session_krecord_fn *fn, void *arg)
{
	struct plain_scan p = { .s = s, .krecord = fn, .arg = arg };

	return scan_section(s, SECT_KRECORDS, 1, krecord_chunk, &p);
}

int session_each_site(struct session *s, session_site_fn *fn, void *arg)
{
	struct plain_scan p = { .s = s, .site = fn, .arg = arg };

	return scan_section(s, SECT_SITES, 1, site_chunk, &p);
}

int session_each_point(struct session *s, session_point_fn *fn, void *arg)
{
	struct plain_scan p = { .s = s, .point = fn, .arg = arg };

	return scan_section(s, SECT_TIMELINE, 1, point_chunk, &p);
}

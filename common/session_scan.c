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

/*
 * A chunk of records. While they are being written, it is read three times: what
 * is the same in the first and the last reading was the same in between, and so
 * were extensions and threads, which are taken from there. Otherwise all three
 * are one.
 */
struct block_scan {
	struct session *s;
	session_block_fn *fn;
	void *arg;
	uint64_t now;			/* see session_record_tick() */
	uint64_t first, count;
	uint32_t step;			/* bytes of an entry */
	const char *before, *between, *after;
	uint16_t *threads;
};

/* A block's records. */
struct found {
	struct session_record_pair p;
	uint16_t thread;
};

static bool same_record(const struct session_record *a, const struct session_record *b)
{
	return a->addr_size == b->addr_size && a->time_stack == b->time_stack;
}

static int read_record(const struct block_scan *c, uint64_t index, struct session_record *out)
{
	const struct view *v = &c->s->view;

	if (index >= v->used[SECT_RECORDS])
		return -EBADMSG;
	return session_read_section(v, c->s->fd, SECT_RECORDS, index * c->step, out, sizeof(*out));
}

/* Reads the threads of records [first, first + count); sessions of others may not have them. */
static int read_threads(const struct block_scan *c, uint64_t first, uint64_t count, uint16_t *out)
{
	const struct view *v = &c->s->view;
	uint64_t known = v->used[SECT_RECORD_THREADS];
	bool plain = v->header.section[SECT_RECORD_THREADS].entry_size == sizeof(*out);
	uint64_t have = !plain || known <= first ? 0 : known - first < count ? known - first : count;

	for (uint64_t i = have; i < count; i++)
		out[i] = REC_THREAD_OTHER;
	return have ? session_read_section(v, c->s->fd, SECT_RECORD_THREADS, first * sizeof(*out),
					   out, have * sizeof(*out)) : 0;
}

/* Does an extended record have an extension? */
static bool complete(const struct found *f)
{
	return !session_record_extension(&f->p.r) ||
	       session_record_kind(&f->p.extension) == REC_EXTENSION;
}

/*
 * Reads a record that changed while its chunk was read, or whose extension lies
 * elsewhere. The words of one pread come in no particular order: so before, what
 * belongs to it, and after.
 */
static bool read_settled(struct block_scan *c, uint64_t index, struct found *f)
{
	bool live = c->s->view.header.state == SESSION_LIVE;

	for (int try = 0; try < RECORD_TRIES; try++) {
		struct session_record first = { 0, 0 };
		uint64_t ext;

		if (read_record(c, index, &first))
			return false;
		ext = session_record_extension(&first);
		f->p.extension = (struct session_record){ 0, 0 };
		if (ext && read_record(c, ext, &f->p.extension) && live)
			return false;	/* in a place newer than the last refresh */
		if (read_threads(c, index, 1, &f->thread) || read_record(c, index, &f->p.r))
			return false;
		if (same_record(&first, &f->p.r) && complete(f))
			return true;
	}
	if (live)
		c->s->damage.torn_entries++;
	else
		c->s->damage.bad_entries++;
	return false;
}

static void copy_record(struct session_record *to, const struct block_scan *c, const char *reading,
			uint64_t i)
{
	memcpy(to, reading + i * c->step, sizeof(*to));
}

/* The block in the i-th record of the chunk. False: there is none that can be told. */
static bool find_block(struct block_scan *c, uint64_t i, struct found *f)
{
	struct session_record first;
	uint64_t ext;

	copy_record(&first, c, c->before, i);
	copy_record(&f->p.r, c, c->after, i);
	if (!session_record_in_use(&first) && !session_record_in_use(&f->p.r))
		return false;
	ext = session_record_extension(&first);
	if (!same_record(&first, &f->p.r) || (ext && ext - c->first >= c->count))
		return read_settled(c, c->first + i, f);
	f->thread = c->threads[i];
	if (ext)
		copy_record(&f->p.extension, c, c->between, ext - c->first);
	if (complete(f))
		return true;
	return read_settled(c, c->first + i, f);
}

static int emit_block(struct block_scan *c, const struct found *f)
{
	bool extended = session_record_extension(&f->p.r);
	struct session_block b;

	if (!session_record_in_use(&f->p.r))
		return 0;
	b = session_record_unpack(&f->p.r, extended ? &f->p.extension : NULL, c->now);
	b.thread = f->thread;
	return usable_stack(c->s, b.stack) ? c->fn(c->arg, &b) : 0;
}

static int block_chunk(void *arg, char *entries, uint64_t first, uint64_t count, uint32_t step)
{
	struct block_scan *c = arg;
	bool live = c->s->view.header.state == SESSION_LIVE;
	char *readings[3] = { entries, entries + CHUNK_BYTES, entries + 2 * CHUNK_BYTES };
	int err;

	c->first = first;
	c->count = count;
	c->step = step;
	err = read_threads(c, first, count, c->threads);
	for (int i = 1; i < 3 && live && !err; i++)
		err = session_read_section(&c->s->view, c->s->fd, SECT_RECORDS, first * step,
					   readings[i], count * step);
	c->before = readings[0];
	c->between = live ? readings[1] : readings[0];
	c->after = live ? readings[2] : readings[0];
	for (uint64_t i = 0; i < count && !err; i++) {
		struct found f;

		if (find_block(c, i, &f))
			err = emit_block(c, &f);
	}
	return err;
}

int session_each_block(struct session *s, session_block_fn *fn, void *arg)
{
	struct block_scan c = { .s = s, .fn = fn, .arg = arg };
	int err;

	/* A block may be younger than the writer's last sign of life. */
	c.now = session_ns_to_tick(s, session_last_ns(s)) + REC_TIME_SPAN / 16;
	c.threads = malloc(CHUNK_BYTES / sizeof(struct session_record) * sizeof(*c.threads));
	if (!c.threads)
		return -ENOMEM;
	err = scan_section(s, SECT_RECORDS, 3, block_chunk, &c);
	free(c.threads);
	return err;
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

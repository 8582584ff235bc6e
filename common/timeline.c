// SPDX-License-Identifier: MIT
/* timeline.c - what each stack had outstanding at points of time. */
#define _GNU_SOURCE 1
#include "common/timeline.h"

#include "common/array.h"
#include "common/io.h"
#include "common/session_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct timeline {
	uint64_t times[TIMELINE_TIMES_MAX];
	uint32_t time_count;
	struct session_point *points;	/* by time */
	size_t point_count, point_room;
	uint64_t calls, stride;		/* each stride-th call of timeline_begin() counts */
};

struct timeline *timeline_new(void)
{
	struct timeline *t = calloc(1, sizeof(*t));

	if (t)
		t->stride = 1;
	return t;
}

void timeline_free(struct timeline *t)
{
	if (!t)
		return;
	free(t->points);
	free(t);
}

/* Drops every second time, and its points. */
static void thin(struct timeline *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->point_count; i++) {
		struct session_point p = t->points[i];

		if (p.time & 1)
			continue;
		p.time /= 2;
		t->points[kept++] = p;
	}
	t->point_count = kept;
	for (uint32_t i = 0; i < t->time_count; i += 2)
		t->times[i / 2] = t->times[i];
	t->time_count = (t->time_count + 1) / 2;
	t->stride *= 2;
}

int timeline_begin(struct timeline *t, uint64_t tick)
{
	uint64_t call = t->calls++;

	while (t->time_count > 1 && (t->time_count == TIMELINE_TIMES_MAX ||
				     t->point_count >= TIMELINE_POINTS_MAX))
		thin(t);
	if (call % t->stride)
		return 0;
	t->times[t->time_count++] = tick;
	return 1;
}

int timeline_add(struct timeline *t, uint32_t stack, uint64_t count, uint64_t bytes)
{
	struct session_point *points = array_grow(t->points, t->point_count, &t->point_room,
						  sizeof(*points));

	if (!points)
		return -ENOMEM;
	t->points = points;
	points[t->point_count++] = (struct session_point){ t->time_count - 1, stack, count, bytes };
	return 0;
}

uint32_t timeline_times(const struct timeline *t)
{
	return t->time_count;
}

/* ---- sampling a session ---- */

struct sum {
	double count, bytes;
};

struct sampling {
	struct sum *sums;	/* by stack */
	const struct session_header *header;
	timeline_probability_fn *probability;
};

static int add_block(void *arg, const struct session_block *b)
{
	struct sampling *in = arg;
	double mean = (double)in->header->sample_mean[b->mean], weight = 1;

	if (b->inherited)
		return 0;
	if (in->probability)
		weight = 1 / in->probability(in->header->sampling, mean, b->size);
	in->sums[b->stack].count += weight;
	in->sums[b->stack].bytes += weight * (double)b->size;
	return 0;
}

static uint64_t rounded(double value)
{
	return value < 0x1p63 ? (uint64_t)(value + 0.5) : UINT64_MAX;
}

int timeline_sample(struct timeline *t, struct session *s, uint64_t tick,
		    timeline_probability_fn *probability)
{
	struct sampling in = { .header = session_header(s), .probability = probability };
	uint64_t stacks = session_count(s, SECT_STACKS);
	int err = timeline_begin(t, tick);

	if (err <= 0)
		return err;
	in.sums = calloc(stacks + 1, sizeof(*in.sums));
	if (!in.sums)
		return -ENOMEM;
	err = session_each_block(s, add_block, &in);
	for (uint64_t i = 1; i < stacks && !err; i++)
		if (in.sums[i].count > 0)
			err = timeline_add(t, (uint32_t)i, rounded(in.sums[i].count),
					   rounded(in.sums[i].bytes));
	free(in.sums);
	return err;
}

/* ---- into a session ---- */

void timeline_write(const struct timeline *t, struct session_writer *w)
{
	for (uint32_t i = 0; i < t->time_count; i++)
		session_writer_time(w, t->times[i]);
	for (size_t i = 0; i < t->point_count; i++)
		session_writer_point(w, t->points[i].time, t->points[i].stack, t->points[i].count,
				     t->points[i].bytes);
}

static uint64_t pages_of(uint64_t bytes)
{
	return (bytes + SESSION_PAGE - 1) / SESSION_PAGE;
}

/* Is this a session that may get a timeline? Copies its header. */
static int check_target(int fd, const char *path, struct session_header *header)
{
	struct session *s;
	int err = session_open_fd(fd, path, &s);

	if (err)
		return err;
	*header = *session_header(s);
	if (session_is_running(s))
		err = -EBUSY;
	else if (header->section[SECT_TIMES].bytes || header->section[SECT_TIMELINE].bytes)
		err = -EEXIST;
	else if (header->extent_count + 2 > SESSION_MAX_EXTENTS)
		err = -ENOSPC;
	session_close(s);
	return err;
}

/* Writes a section behind the end of the file; tells nobody yet. */
static int write_section(int fd, const void *data, uint64_t bytes, uint64_t *page,
			 struct session_extent *extent, uint32_t id)
{
	int err = io_pwrite_all(fd, data, bytes, *page * SESSION_PAGE);

	*extent = (struct session_extent){ id, (uint32_t)*page, (uint32_t)pages_of(bytes), 0 };
	*page += extent->pages;
	if (!err && ftruncate(fd, (off_t)(*page * SESSION_PAGE)))
		err = -errno;
	return err;
}

static int write_header(int fd, struct session_header *h, const struct session_extent *extents,
			const struct timeline *t)
{
	uint64_t at = SESSION_EXTENT_TABLE + h->extent_count * sizeof(*extents);
	int err = io_pwrite_all(fd, extents, 2 * sizeof(*extents), at);

	h->extent_count += 2;
	h->section[SECT_TIMES] = (struct session_section){
		sizeof(uint64_t), 0, t->time_count, (uint64_t)extents[0].pages * SESSION_PAGE
	};
	h->section[SECT_TIMELINE] = (struct session_section){
		sizeof(struct session_point), 0, t->point_count,
		(uint64_t)extents[1].pages * SESSION_PAGE
	};
	return err ? err : io_pwrite_all(fd, h, sizeof(*h), 0);
}

static int append_to(const struct timeline *t, int fd, const char *path)
{
	struct session_extent extents[2];
	struct session_header header;
	int err = check_target(fd, path, &header);
	off_t end = lseek(fd, 0, SEEK_END);
	uint64_t page = pages_of((uint64_t)end);

	if (err)
		return err;
	if (page + pages_of(t->point_count * sizeof(*t->points)) + 2 > UINT32_MAX)
		return -EFBIG;
	err = write_section(fd, t->times, t->time_count * sizeof(*t->times), &page, &extents[0],
			    SECT_TIMES);
	if (!err)
		err = write_section(fd, t->points, t->point_count * sizeof(*t->points), &page,
				    &extents[1], SECT_TIMELINE);
	header.file_used = page * SESSION_PAGE;
	if (!err)
		err = write_header(fd, &header, extents, t);
	if (err && ftruncate(fd, end))
		return err;
	return err;
}

int timeline_append(const struct timeline *t, const char *path)
{
	int fd, err;

	if (!t->time_count || !t->point_count)
		return 0;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	err = append_to(t, fd, path);
	close(fd);
	return err;
}

int timeline_append_session(const struct timeline *t, const struct session *s)
{
	char path[64];

	/* a descriptor that can be written to, of the same file */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
	return timeline_append(t, path);
}

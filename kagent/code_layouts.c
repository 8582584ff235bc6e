// SPDX-License-Identifier: MIT
/* code_layouts.c - see code_layouts.h. */
#define _GNU_SOURCE
#include "kagent/code_layouts.h"

#include "uprobe.skel.h"
#include "common/array.h"
#include "kagent/stop.h"
#include "kagent/unwind_rows.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SETTLED_NS	2000000000ull	/* by then nobody looks at a layout that was left */
#define OBJECTS_BYTES	(KU_MAX_OBJECTS * sizeof(struct ku_object))
#define KNOWN_BYTES	(sizeof(struct ku_known_row) << KU_CACHE_BITS)

/* A file whose rows are known. */
struct rows_of {
	uint64_t device, inode, size;
	int64_t changed;	/* ns */
	uint32_t first, count;
};

/* Consecutive objects: a layout, which forked children share with their parents. */
struct range {
	uint32_t first, count;
	uint32_t users;
	uint64_t left_ns;	/* when the last one left */
};

struct user {
	uint32_t image, first;	/* of the range that it uses */
};

struct code_layouts {
	struct rows_of *files;
	size_t file_count, file_room;
	struct ku_row *rows;		/* ours until the programs are loaded, then theirs */
	size_t row_count, row_room;
	uint32_t max_rows;		/* 0: not loaded yet */
	struct range *ranges;		/* ascending */
	size_t range_count, range_room;
	struct user *users;
	size_t user_count, user_room;
	uint32_t number;
	int layouts;			/* map's descriptor */
	struct ku_object *objects;
	struct ku_known_row *known;
};

struct code_layouts *code_layouts_new(void)
{
	return calloc(1, sizeof(struct code_layouts));
}

void code_layouts_free(struct code_layouts *c)
{
	if (!c)
		return;
	if (!c->max_rows)
		free(c->rows);
	else if (c->rows)
		munmap(c->rows, (size_t)c->max_rows * sizeof(*c->rows));
	if (c->objects)
		munmap(c->objects, OBJECTS_BYTES);
	if (c->known)
		munmap(c->known, KNOWN_BYTES);
	free(c->files);
	free(c->ranges);
	free(c->users);
	free(c);
}

/* ---- rows ------------------------------------------------------------------------ */

static bool room_for(struct code_layouts *c, size_t count)
{
	size_t room = c->row_room ? c->row_room : 65536;
	struct ku_row *bigger;

	if (c->max_rows)
		return count <= c->max_rows - c->row_count;
	while (room < c->row_count + count)
		room *= 2;
	bigger = room == c->row_room ? c->rows : realloc(c->rows, room * sizeof(*bigger));
	if (!bigger)
		return false;
	c->rows = bigger;
	c->row_room = room;
	return true;
}

static void take_rows(struct code_layouts *c, struct rows_of *f, const struct ku_row *rows,
		      size_t count)
{
	if (!count || !room_for(c, count))
		return;
	memcpy(c->rows + c->row_count, rows, count * sizeof(*rows));
	f->first = (uint32_t)c->row_count;
	f->count = (uint32_t)count;
	c->row_count += count;
}

static struct rows_of *find_file(const struct code_layouts *c, const struct rows_of *like)
{
	for (size_t i = 0; i < c->file_count; i++) {
		struct rows_of *f = &c->files[i];

		if (f->device == like->device && f->inode == like->inode &&
		    f->size == like->size && f->changed == like->changed)
			return f;
	}
	return NULL;
}

static const struct rows_of *read_file(struct code_layouts *c, const char *path, uint64_t low)
{
	struct rows_of f = { .count = 0 }, *known, *bigger;
	struct ku_row *rows = NULL;
	struct stat st;
	size_t count;

	if (stat(path, &st))
		return NULL;
	f.device = st.st_dev;
	f.inode = st.st_ino;
	f.size = (uint64_t)st.st_size;
	f.changed = st.st_mtim.tv_sec * 1000000000ll + st.st_mtim.tv_nsec;
	known = find_file(c, &f);
	if (known)
		return known;
	bigger = array_grow(c->files, c->file_count, &c->file_room, sizeof(*bigger));
	if (!bigger)
		return NULL;
	c->files = bigger;
	if (!unwind_rows_read(path, low, &rows, &count))
		take_rows(c, &f, rows, count);
	free(rows);
	c->files[c->file_count] = f;
	return &c->files[c->file_count++];
}

static void read_module(struct code_layouts *c, const struct process_image *p,
			struct image_module *m)
{
	uint64_t low = m->start - m->bias;
	const struct rows_of *f;
	char path[4096];

	process_image_file(p, m, path);
	f = read_file(c, path, low);
	if (!f)
		f = read_file(c, m->path, low);
	m->first_row = f ? f->first : 0;
	m->row_count = f ? f->count : 0;
	m->rows_tried = true;
}

size_t code_layouts_read(struct code_layouts *c, struct process_image *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (!p->modules[i].rows_tried && !p->modules[i].end_epoch)
			read_module(c, p, &p->modules[i]);
	return c->row_count;
}

/* ---- the maps ---------------------------------------------------------------------- */

static void *map_array(const struct bpf_map *map, size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	return p == MAP_FAILED ? NULL : p;
}

int code_layouts_begin(struct code_layouts *c, const struct uprobe *skel, uint32_t max_rows)
{
	struct ku_row *rows = map_array(skel->maps.rows, (size_t)max_rows * sizeof(*rows));

	if (!rows)
		return -errno;
	if (c->row_count > max_rows)
		c->row_count = max_rows;
	if (c->row_count)
		memcpy(rows, c->rows, c->row_count * sizeof(*rows));
	free(c->rows);
	c->rows = rows;
	c->max_rows = max_rows;
	c->layouts = bpf_map__fd(skel->maps.layouts);
	c->objects = map_array(skel->maps.objects, OBJECTS_BYTES);
	c->known = map_array(skel->maps.known_rows, KNOWN_BYTES);
	return c->objects && c->known ? 0 : -errno;
}

/* ---- ranges of objects --------------------------------------------------------------- */

static struct range *find_range(const struct code_layouts *c, uint32_t first)
{
	for (size_t i = 0; i < c->range_count; i++)
		if (c->ranges[i].first == first)
			return &c->ranges[i];
	return NULL;
}

static void drop_settled(struct code_layouts *c, uint64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->range_count; i++)
		if (c->ranges[i].users || now - c->ranges[i].left_ns < SETTLED_NS)
			c->ranges[kept++] = c->ranges[i];
	c->range_count = kept;
}

/* Room between the others. */
static struct range *new_range(struct code_layouts *c, uint32_t count)
{
	struct range *all = array_grow(c->ranges, c->range_count, &c->range_room, sizeof(*all));
	uint32_t from = 0;
	size_t i;

	if (!all)
		return NULL;
	c->ranges = all;
	drop_settled(c, stop_now_ns());
	for (i = 0; i < c->range_count && all[i].first - from < count; i++)
		from = all[i].first + all[i].count;
	if (KU_MAX_OBJECTS - from < count)
		return NULL;
	memmove(&all[i + 1], &all[i], (c->range_count++ - i) * sizeof(*all));
	all[i] = (struct range){ .first = from, .count = count };
	return &all[i];
}

static struct user *find_user(const struct code_layouts *c, uint32_t image)
{
	for (size_t i = 0; i < c->user_count; i++)
		if (c->users[i].image == image)
			return &c->users[i];
	return NULL;
}

static void leave_range(struct code_layouts *c, uint32_t first)
{
	struct range *r = find_range(c, first);

	if (r && r->users && !--r->users)
		r->left_ns = stop_now_ns();
}

static int use_range(struct code_layouts *c, uint32_t image, struct range *r)
{
	struct user *u = find_user(c, image), *bigger;

	r->users++;
	if (u) {
		leave_range(c, u->first);
		u->first = r->first;
		return 0;
	}
	bigger = array_grow(c->users, c->user_count, &c->user_room, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	c->users = bigger;
	c->users[c->user_count++] = (struct user){ image, r->first };
	return 0;
}

void code_layouts_join(struct code_layouts *c, uint32_t image)
{
	uint64_t layout;
	struct range *r;

	if (!c->max_rows || bpf_map_lookup_elem(c->layouts, &image, &layout))
		return;
	r = find_range(c, KU_LAYOUT_FIRST(layout));
	if (r)
		use_range(c, image, r);
}

void code_layouts_leave(struct code_layouts *c, uint32_t image)
{
	struct user *u = find_user(c, image);

	if (!u)
		return;
	bpf_map_delete_elem(c->layouts, &image);
	leave_range(c, u->first);
	*u = c->users[--c->user_count];
}

/* ---- an image's layout ---------------------------------------------------------------- */

static int compare_objects(const void *a, const void *b)
{
	const struct ku_object *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static uint32_t list_objects(const struct process_image *p, struct ku_object *list)
{
	uint32_t count = 0;

	for (size_t i = 0; i < p->count; i++) {
		const struct image_module *m = &p->modules[i];

		if (m->row_count && !m->end_epoch)
			list[count++] = (struct ku_object){ m->start, m->end, m->first_row,
							    m->row_count, m->quiet, 0 };
	}
	qsort(list, count, sizeof(*list), compare_objects);
	return count;
}

/* A number that was in use long ago: what was looked up then holds no more. */
static uint32_t next_number(struct code_layouts *c)
{
	c->number = (c->number + 1) % KU_LAYOUT_NUMBERS;
	if (!c->number)
		memset(c->known, 0, KNOWN_BYTES);
	return c->number;
}

static int publish(struct code_layouts *c, uint32_t image, const struct ku_object *list,
		   uint32_t count)
{
	struct range *r = new_range(c, count);
	uint64_t layout;

	if (!r)
		return -ENOSPC;
	memcpy(c->objects + r->first, list, count * sizeof(*list));
	layout = KU_LAYOUT(next_number(c), count, r->first);
	if (bpf_map_update_elem(c->layouts, &image, &layout, BPF_ANY))
		return -errno;
	return use_range(c, image, r);
}

int code_layouts_set(struct code_layouts *c, uint32_t image, struct process_image *p)
{
	struct ku_object *list;
	uint32_t count;
	int err = 0;

	code_layouts_read(c, p);
	if (!c->max_rows)
		return 0;
	list = calloc(p->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	count = list_objects(p, list);
	if (count)
		err = publish(c, image, list, count);
	free(list);
	return err;
}

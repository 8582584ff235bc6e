// SPDX-License-Identifier: MIT
/*
 * family_members.c - who belongs to a family, what has become of them, and what they
 * have from their parents: the third part of heap_family.h.
 */
#define _GNU_SOURCE
#include "kagent/heap_family_private.h"

#include "common/array.h"
#include "common/proc_stat.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

/* ---- members ------------------------------------------------------------------------ */

struct member *family_find(const struct heap_family *f, uint32_t image)
{
	size_t low = 0, high = f->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->list[mid]->p.image == image)
			return f->list[mid];
		if (f->list[mid]->p.image < image)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

struct member *family_add(struct heap_family *f, const struct ku_process *p)
{
	struct member **bigger = array_grow(f->list, f->count, &f->room, sizeof(*bigger));
	struct member *m = bigger ? calloc(1, sizeof(*m)) : NULL;
	size_t at;

	if (bigger)
		f->list = bigger;
	if (!m)
		return NULL;
	m->p = *p;
	m->image.pid = (pid_t)p->pid;
	for (at = f->count++; at && f->list[at - 1]->p.image > p->image; at--)
		f->list[at] = f->list[at - 1];
	f->list[at] = m;
	return m;
}

void family_free_member(struct member *m)
{
	process_image_free(&m->image);
	free(m->image.program);
	heap_inherited_free(&m->inherited);
	heap_regions_free(&m->regions);
	free(m->path);
	free(m);
}

bool family_has_run(const struct heap_family *f, const struct member *m)
{
	return m->p.on || !f->s.program;
}

/* ---- what has become of them ---------------------------------------------------------- */

static int take_process(void *arg, const void *key, const void *value)
{
	struct heap_family *f = arg;
	const struct ku_process *p = value;
	struct member *m = family_find(f, p->image);

	(void)key;
	if (p->shares)
		return 0;	/* a vfork()ed child: works on its parent's heap */
	if (m)
		m->p = *p;
	else
		m = family_add(f, p);
	return m ? 0 : -ENOMEM;
}

int family_take_running(struct heap_family *f)
{
	return heap_tracer_processes(f->tracer, take_process, f);
}

static int take_ended(void *arg, const void *key, const void *value)
{
	struct heap_family *f = arg;
	const struct ku_ended *e = value;
	struct member *m = family_find(f, e->p.image);

	(void)key;
	if (!m)
		m = family_add(f, &e->p);
	if (!m)
		return -ENOMEM;
	m->p = e->p;
	m->ended = true;
	m->by_exec = e->by_exec;
	m->status = e->status;
	m->final |= f->finals;
	return 0;
}

/*
 * What one that has ended by the first walk has forked is running at the second, or has
 * ended by the third.
 */
static int take_all(struct heap_family *f)
{
	int err;

	f->finals = true;
	err = heap_tracer_ended(f->tracer, take_ended, f);
	if (!err)
		err = family_take_running(f);
	f->finals = false;
	return err ? err : heap_tracer_ended(f->tracer, take_ended, f);
}

/* One that has ended before it did anything that the programs could have seen. */
static void take_unseen_end(struct heap_family *f)
{
	struct member *root = family_find(f, FAMILY_ROOT);
	struct pollfd end = { .fd = f->pidfd, .events = POLLIN };

	if (root && !root->p.start && poll(&end, 1, 0) > 0)
		root->ended = root->final = true;
}

/* ---- children ------------------------------------------------------------------------- */

/* A child that was forked and not looked at yet; it begins with its parent's modules. */
static int meet_child(struct heap_family *f, struct member *m, struct heir *heir)
{
	const struct member *parent = family_find(f, m->p.parent);
	int err;

	*heir = (struct heir){ .parent = m->p.parent, .start = m->p.start, .to = &m->inherited };
	if (!parent)
		return 0;
	heir->parents = &parent->inherited;
	m->parent_pid = parent->p.pid;
	m->parent_start_ticks = parent->start_ticks;
	m->unknown = parent->unknown;
	err = process_image_copy(&parent->image, (pid_t)m->p.pid, &m->image);
	code_layouts_join(f->layouts, m->p.image);
	return err;
}

static uint64_t start_ticks(pid_t pid)
{
	struct proc_stat s;

	return proc_stat_read(pid, &s) ? 0 : s.start_ticks;
}

/* In the order of their images, a parent comes before its children. */
static int meet_children(struct heap_family *f)
{
	struct heir *heirs = calloc(f->count + 1, sizeof(*heirs));
	size_t count = 0;
	uint64_t last = 0;
	int err = heirs ? 0 : -ENOMEM;

	for (size_t i = 0; i < f->count && !err; i++) {
		struct member *m = f->list[i];

		if (m->met)
			continue;
		m->met = true;
		m->start_ticks = start_ticks((pid_t)m->p.pid);
		if (m->p.parent) {
			err = meet_child(f, m, &heirs[count++]);
			last = m->p.start > last ? m->p.start : last;
		}
	}
	if (!err && count)
		err = heap_inherited_take(f->tracer, heirs, count);
	if (!err && count) {
		heap_tracer_inherited(f->tracer, last);
		err = heap_tracer_drop_heirlooms(f->tracer, last);
	}
	free(heirs);
	return err;
}

/* ---- regions -------------------------------------------------------------------------- */

int family_meet(struct heap_family *f)
{
	int err = take_all(f);

	if (!err)
		take_unseen_end(f);
	return err ? err : meet_children(f);
}

/* A child's are its parent's as of now: what came before the fork has been dealt with. */
static int inherit_regions(struct heap_family *f, struct member *m)
{
	const struct member *parent = family_find(f, m->p.parent);
	int err = parent ? heap_regions_inherit(&m->regions, &parent->regions) : 0;

	for (size_t i = 0; i < m->regions.count && !err; i++)
		err = heap_inherited_stack(&m->inherited, f->tracer, &parent->inherited,
					   m->regions.list[i].site);
	return err;
}

static void take_region(void *arg, const struct ku_region *e)
{
	struct heap_family *f = arg;
	struct member *m = family_find(f, e->image);

	if (!m && !family_meet(f))
		m = family_find(f, e->image);
	if (m && (e->function ? heap_regions_apply(&m->regions, e) : inherit_regions(f, m)))
		f->region_err = -ENOMEM;
}

int family_take_regions(struct heap_family *f)
{
	heap_tracer_regions(f->tracer, take_region, f);
	return f->region_err;
}

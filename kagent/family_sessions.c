// SPDX-License-Identifier: MIT
/* family_sessions.c - the sessions of a family's members: the second part of heap_family.h. */
#define _GNU_SOURCE
#include "kagent/heap_family_private.h"

#include "common/session_name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_SAME_NAME	10000

/* ---- sessions ------------------------------------------------------------------------- */

static int name_session(const struct heap_family *f, struct member *m)
{
	char name[4096], plain[4096], path[4096];
	bool has_pid;
	int err;

	if (m->p.image == FAMILY_ROOT) {
		m->path = strdup(f->s.path);
		unlink(f->s.path);	/* who watches the directory is to see a new file */
		return m->path ? 0 : -ENOMEM;
	}
	process_image_program(&m->image, name, sizeof(name));
	err = session_name_expand(f->s.pattern, (pid_t)m->p.pid, name, plain, sizeof(plain), &has_pid);
	snprintf(path, sizeof(path), "%s", plain);
	for (unsigned int n = 1; !err && !access(path, F_OK) && n < MAX_SAME_NAME; n++)
		err = session_name_number(plain, n, path, sizeof(path));
	m->path = err ? NULL : strdup(path);
	return err || m->path ? err : -ENOMEM;
}

/* A forked child has one once it has allocated or freed something; a program in any case. */
static bool wants_session(const struct heap_family *f, const struct member *m)
{
	if (m->session || m->unknown || !family_has_run(f, m))
		return false;
	if (m->p.image == FAMILY_ROOT)
		return true;
	return m->p.parent ? m->p.used : m->released & ~KU_HELD_AT_EXEC || m->p.used || m->ended;
}

static int open_session(struct heap_family *f, struct member *m)
{
	const struct heap_tracer_settings *s = &f->s.tracer;
	const struct heap_session_facts facts = {
		.image = m->p.image, .min_size = s->min_size, .max_size = s->max_size,
		.depth = s->depth,
		.cmdline = m->p.image == FAMILY_ROOT ? f->s.cmdline : NULL,
		.inherited = &m->inherited, .regions = &m->regions, .parent_pid = m->parent_pid,
		.parent_start_ticks = m->parent_start_ticks,
	};
	int err = name_session(f, m);

	if (!err)
		err = heap_session_open(m->path, &facts, f->tracer, &m->image, &m->session);
	return err ? err : heap_session_sync(m->session);
}

int family_open_sessions(struct heap_family *f)
{
	int err = 0;

	for (size_t i = 0; i < f->count && !err; i++)
		if (wants_session(f, f->list[i]))
			err = open_session(f, f->list[i]);
	return err;
}

static enum session_end reason_of(const struct member *m)
{
	if (!m->ended)
		return SESSION_END_DETACH;
	if (m->by_exec)
		return SESSION_END_EXEC;
	return WIFEXITED(m->status) ? SESSION_END_EXIT : SESSION_END_NONE;
}

int family_close_session(struct heap_family *f, struct member *m)
{
	size_t cut, all;
	int err;

	if (!m->session)
		return 0;
	heap_session_cut(m->session, &cut, &all);
	f->cut += cut;
	f->stacks += all;
	err = heap_session_close(m->session, reason_of(m),
				 m->ended && WIFEXITED(m->status) ? WEXITSTATUS(m->status) : 0);
	m->session = NULL;
	return err;
}

/* ---- trace ------------------------------------------------------------------------------ */

/* The first event of a process may be there before the process has been met. */
static void take_event(void *arg, const struct ku_event *e)
{
	struct heap_family *f = arg;
	const struct member *m = family_find(f, e->image);

	if (!m || (!m->session && !m->unknown)) {
		family_catch_up(f);
		m = family_find(f, e->image);
	}
	if (m && m->session)
		heap_session_trace(m->session, e);
}

int family_take_events(struct heap_family *f)
{
	int err = 0;

	if (!f->s.tracer.trace)
		return 0;
	heap_tracer_poll(f->tracer, take_event, f);
	for (size_t i = 0; i < f->count && !err; i++)
		if (f->list[i]->session)
			err = heap_session_sync_trace(f->list[i]->session);
	return err;
}

/* ---- how good they are ------------------------------------------------------------------ */

void heap_family_cut(const struct heap_family *f, size_t *cut, size_t *all)
{
	*cut = f->cut;
	*all = f->stacks;
	for (size_t i = 0; i < f->count; i++) {
		size_t one, stacks;

		if (!f->list[i]->session)
			continue;
		heap_session_cut(f->list[i]->session, &one, &stacks);
		*cut += one;
		*all += stacks;
	}
}

// SPDX-License-Identifier: MIT
/* heap_family.c - see heap_family.h. */
#define _GNU_SOURCE
#include "kagent/heap_family_private.h"

#include "common/array.h"
#include "kagent/family_probes.h"
#include "kagent/heap_overhead.h"
#include "kagent/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS		500000000ull	/* how often modules are looked at without a cause */
#define SPARE_ROWS	(1u << 17)	/* 8 bytes each */
#define UNKNOWN_ROWS	(1u << 20)

/* ---- programs ------------------------------------------------------------------------- */

static int look_at_modules(struct heap_family *f, struct member *m)
{
	size_t known = m->image.count;
	uint32_t epoch = m->image.epoch;
	int err = process_image_look(&m->image);

	m->loads = m->p.loads;
	m->looked_ns = stop_now_ns();
	if (m->image.count != known || m->image.epoch != epoch)
		m->told = false;
	if (err == -ESRCH && m->p.image == FAMILY_ROOT && f->s.program && m->p.start_code)
		err = process_image_place(&m->image, f->s.program, m->p.start_code);
	return err == -ESRCH ? 0 : err;
}

static void tell_layout(struct heap_family *f, struct member *m)
{
	if (m->told)
		return;
	m->told = true;
	family_probes_mark(f->probes, &m->image);
	code_layouts_set(f->layouts, m->p.image, &m->image);
}

static void complain(const struct heap_family *f, struct member *m, const char *why)
{
	if (!m->unknown)
		fprintf(stderr, "%s: process %u is not recorded: %s\n", f->s.command, m->p.pid, why);
	m->unknown = true;
}

static size_t living_pids(const struct heap_family *f, pid_t **pids)
{
	size_t count = 0;

	*pids = calloc(f->count + 1, sizeof(**pids));
	for (size_t i = 0; i < f->count && *pids; i++)
		if (!f->list[i]->ended)
			(*pids)[count++] = (pid_t)f->list[i]->p.pid;
	return count;
}

/* Its allocator is probed before it goes on. */
static void probe_program(struct heap_family *f, struct member *m, bool loaded)
{
	char why[1024];
	pid_t *pids;
	size_t count = living_pids(f, &pids);
	int err = pids ? family_probes_image(f->probes, &m->image, loaded, pids, count, why,
					     sizeof(why)) : -ENOMEM;

	if (err == FAMILY_PROBES_LATER && !loaded)
		heap_tracer_know(f->tracer, &m->p);
	else if (err < 0 && err != -ESRCH)
		complain(f, m, pids ? why : "out of memory");
	free(pids);
}

/* One that was stopped is looked at, and goes on. */
static int release(struct heap_family *f, struct member *m)
{
	uint32_t held = m->p.held & ~m->released;
	int err;

	if (!held || m->ended)
		return 0;
	err = look_at_modules(f, m);
	if (m->p.image != FAMILY_ROOT && !m->image.program)
		process_image_remember_program(&m->image);
	/* the first program's was found before it ran */
	if (m->p.image == FAMILY_ROOT && f->s.program)
		heap_tracer_know(f->tracer, &m->p);
	else if (!err)
		probe_program(f, m, held != KU_HELD_AT_EXEC);
	tell_layout(f, m);
	m->released |= held;
	kill((pid_t)m->p.pid, SIGCONT);
	return err;
}

/* ---- the end of one --------------------------------------------------------------------- */

static int remember_pid(struct heap_family *f, pid_t pid)
{
	pid_t *bigger = array_grow(f->ended_pids, f->ended_count, &f->ended_room, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	f->ended_pids = bigger;
	bigger[f->ended_count++] = pid;
	return 0;
}

static int bury(struct heap_family *f, struct member *m)
{
	int err = family_close_session(f, m);

	if (m->path && remember_pid(f, (pid_t)m->p.pid) && !err)
		err = -ENOMEM;
	f->cpu_of_ended += m->cpu;
	code_layouts_leave(f->layouts, m->p.image);
	if (!err)
		err = heap_tracer_drop(f->tracer, m->p.image);
	family_free_member(m);
	return err;
}

static int bury_all(struct heap_family *f)
{
	size_t kept = 0;
	int err = 0;

	for (size_t i = 0; i < f->count; i++) {
		struct member *m = f->list[i];

		if (!m->final || err)
			f->list[kept++] = m;
		else
			err = bury(f, m);
	}
	f->count = kept;
	return err;
}

/* ---- looking ---------------------------------------------------------------------------- */

static int look_at_all_modules(struct heap_family *f)
{
	uint64_t now = stop_now_ns();
	int err = 0;

	for (size_t i = 0; i < f->count && !err; i++) {
		struct member *m = f->list[i];

		if (m->ended || !family_has_run(f, m) || m->p.held != m->released)
			continue;
		if ((m->loads != m->p.loads || now - m->looked_ns > LOOK_NS))
			err = look_at_modules(f, m);
		tell_layout(f, m);
	}
	return err;
}

int family_catch_up(struct heap_family *f)
{
	int err;

	f->changes = heap_tracer_changes(f->tracer);
	err = family_meet(f);
	if (!err)
		err = family_take_regions(f);
	for (size_t i = 0; i < f->count && !err; i++)
		err = release(f, f->list[i]);
	if (!err)
		err = look_at_all_modules(f);
	return err ? err : family_open_sessions(f);
}

/* ---- cost ------------------------------------------------------------------------------- */

static uint64_t cpu_ns(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
		return 0;
	return (uint64_t)used.tv_sec * 1000000000ull + (uint64_t)used.tv_nsec;
}

/* (What a process has used between the last look and its end is not counted.) */
static void control_cost(struct heap_family *f)
{
	uint64_t all = f->cpu_of_ended;

	if (!f->overhead)
		return;
	for (size_t i = 0; i < f->count; i++) {
		struct member *m = f->list[i];
		uint64_t now = m->ended ? 0 : cpu_ns((pid_t)m->p.pid);

		if (!m->cpu_start && now)
			m->cpu_start = now;	/* of a program before this one */
		if (now > m->cpu_start)
			m->cpu = now - m->cpu_start;
		all += m->cpu;
	}
	heap_overhead_control(f->overhead, all);
}

/* ---- all of it ---------------------------------------------------------------------------- */

int heap_family_look(struct heap_family *f)
{
	int err = family_catch_up(f);

	if (!err)
		err = family_take_events(f);
	control_cost(f);
	return err ? err : bury_all(f);
}

bool heap_family_runs(const struct heap_family *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (!f->list[i]->ended)
			return true;
	return false;
}

int heap_family_sync(struct heap_family *f, pid_t pid, enum heap_family_has *has)
{
	enum heap_family_has found = FAMILY_KNOWS_NONE;
	int err = heap_family_look(f);

	for (size_t i = 0; i < f->ended_count; i++)
		if (f->ended_pids[i] == pid)
			found = FAMILY_HAS_ENDED;
	for (size_t i = 0; i < f->count && !err; i++) {
		struct member *m = f->list[i];

		if (pid && (pid_t)m->p.pid != pid)
			continue;
		found = FAMILY_RUNS;
		if (m->session)
			err = heap_session_sync(m->session);
	}
	if (has)
		*has = found;
	return err;
}

int heap_family_fd(const struct heap_family *f)
{
	return heap_tracer_bell(f->tracer);
}

const char *heap_family_allocator(const struct heap_family *f)
{
	return family_probes_name(f->probes);
}

size_t heap_family_probes(const struct heap_family *f)
{
	return heap_tracer_probes(f->tracer);
}

/* ---- begin and end ------------------------------------------------------------------------ */

/* For what is mapped, and for what may be mapped later. */
static uint32_t rows_room(const struct heap_family *f, size_t rows)
{
	if (!rows || f->s.pattern)
		rows += UNKNOWN_ROWS;
	rows += rows / 4 + SPARE_ROWS;
	return rows < KU_MAX_ROWS ? (uint32_t)rows : KU_MAX_ROWS;
}

static int open_tracer(struct heap_family *f, struct member *root, char *why, size_t size)
{
	struct heap_tracer_settings s = f->s.tracer;
	const pid_t pid = s.pid;
	int err, lacks;

	s.max_rows = rows_room(f, code_layouts_read(f->layouts, &root->image));
	err = heap_tracer_open(&s, f->layouts, &f->tracer, why, size);
	if (err)
		return err;
	if (f->s.pattern && !heap_tracer_follows(f->tracer, &lacks))
		fprintf(stderr, "%s: children and other programs are not followed: tracefs: %s\n",
			f->s.command, strerror(lacks ? lacks : ENOTSUP));
	err = family_probes_begin(f->probes, f->tracer, &root->image, pid, why, size);
	tell_layout(f, root);
	if (err || !s.max_overhead)
		return err;
	err = heap_overhead_open(f->tracer, s.max_overhead, f->s.command, &f->overhead);
	if (err)
		snprintf(why, size, "--max-overhead: the cost can't be measured: %s", strerror(-err));
	return err;
}

static int open_root(struct heap_family *f, char *why, size_t size)
{
	const struct ku_process p = { .image = FAMILY_ROOT, .pid = (uint32_t)f->s.tracer.pid,
				      .on = !f->s.program };
	struct member *root = family_add(f, &p);
	int err;

	if (!root) {
		snprintf(why, size, "out of memory");
		return -ENOMEM;
	}
	if (f->s.program)
		root->image.program = strdup(f->s.program);
	err = family_probes_choose(f->probes, &root->image, f->s.program, why, size);
	return err ? err : open_tracer(f, root, why, size);
}

int heap_family_open(const struct heap_family_settings *settings, struct heap_family **out,
		     char *why, size_t why_size)
{
	struct heap_family *f = calloc(1, sizeof(*f));
	int err;

	snprintf(why, why_size, "out of memory");
	if (!f)
		return -ENOMEM;
	f->s = *settings;
	f->pidfd = (int)syscall(SYS_pidfd_open, settings->tracer.pid, 0);
	f->layouts = code_layouts_new();
	f->probes = family_probes_new(settings->object);
	err = f->layouts && f->probes ? open_root(f, why, why_size) : -ENOMEM;
	if (!err) {
		heap_tracer_start(f->tracer);
		err = family_open_sessions(f);
		if (err)
			snprintf(why, why_size, "can't write %s: %s", f->s.path, strerror(-err));
	}
	if (err)
		heap_family_free(f);
	else
		*out = f;
	return err;
}

/* Those that were stopped just now go on. */
static void release_all(struct heap_family *f)
{
	family_take_running(f);
	for (size_t i = 0; i < f->count; i++)
		if (f->list[i]->p.held & ~f->list[i]->released)
			kill((pid_t)f->list[i]->p.pid, SIGCONT);
}

int heap_family_close(struct heap_family *f)
{
	int err = heap_family_look(f), last;

	heap_tracer_stop(f->tracer);
	release_all(f);
	if (!err)
		err = heap_family_look(f);
	for (size_t i = 0; i < f->count; i++) {
		last = family_close_session(f, f->list[i]);
		err = err ? err : last;
	}
	return err;
}

void heap_family_free(struct heap_family *f)
{
	if (!f)
		return;
	if (f->tracer) {
		heap_tracer_stop(f->tracer);
		release_all(f);
	}
	for (size_t i = 0; i < f->count; i++) {
		if (f->list[i]->session)
			family_close_session(f, f->list[i]);
		family_free_member(f->list[i]);
	}
	heap_overhead_free(f->overhead);
	heap_tracer_free(f->tracer);
	code_layouts_free(f->layouts);
	family_probes_free(f->probes);
	if (f->pidfd >= 0)
		close(f->pidfd);
	free(f->list);
	free(f->ended_pids);
	free(f);
}

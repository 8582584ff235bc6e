// SPDX-License-Identifier: MIT
/* family_probes.c - see family_probes.h. */
#define _GNU_SOURCE
#include "kagent/family_probes.h"

#include "common/array.h"
#include "kagent/allocator_choice.h"
#include "kagent/stop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_TRIES	20
#define MAP_WAIT_NS	50000000ull

struct file_id {
	dev_t device;
	ino_t inode;
	int use;		/* allocator, regions, loader */
};

struct family_probes {
	const char *object;
	struct allocator_choice first, next;
	struct heap_tracer *tracer;
	char **names;			/* of allocators: as processes see them */
	size_t name_count, name_room;
	struct file_id *files;		/* that are probed */
	size_t file_count, file_room;
};

struct family_probes *family_probes_new(const char *object)
{
	struct family_probes *f = calloc(1, sizeof(*f));

	if (f)
		f->object = object;
	return f;
}

void family_probes_free(struct family_probes *f)
{
	for (size_t i = 0; f && i < f->name_count; i++)
		free(f->names[i]);
	if (f) {
		free(f->names);
		free(f->files);
	}
	free(f);
}

const char *family_probes_name(const struct family_probes *f)
{
	return f->first.name;
}

/* ---- the first process -------------------------------------------------------------- */

static void explain_refusal(pid_t pid, int err, char *why, size_t size)
{
	const char *way_out = err != -EACCES && err != -EPERM ? "" : geteuid() ?
		": run this as root" : ": root lacks CAP_SYS_PTRACE here (a container takes --cap-add "
		"SYS_PTRACE)";

	snprintf(why, size, "process %d: %s%s", (int)pid, strerror(-err), way_out);
}

/* What no probe can be put into, or none of whose calls could be understood. */
static int check_process(const struct process_image *p, char *why, size_t size)
{
	const int pid = (int)p->pid;
	char path[64], exe[8];

	for (size_t i = 0; i < p->count; i++)
		if (p->modules[i].program)
			return 0;
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (readlink(path, exe, sizeof(exe)) >= 0)
		snprintf(why, size, "process %d is no 64-bit program of this machine", pid);
	else if (errno == ENOENT)
		snprintf(why, size, "process %d is a kernel thread, or has ended", pid);
	else
		explain_refusal((pid_t)p->pid, -errno, why, size);
	return -ENOTSUP;
}

/* A process that has just executed its program has not mapped all libraries yet. */
static int choose_when_mapped(struct family_probes *f, struct process_image *p, char *why,
			      size_t size)
{
	int err = -ENOENT;

	for (int i = 0; i < MAP_TRIES && err == -ENOENT; i++) {
		if (i)
			stop_sleep_until(stop_now_ns() + MAP_WAIT_NS);
		if (i && process_image_look(p))
			break;
		err = allocator_choose(p, f->object, &f->first, why, size);
	}
	return err;
}

int family_probes_choose(struct family_probes *f, struct process_image *p, const char *program,
			 char *why, size_t why_size)
{
	int err;

	if (program)
		return allocator_choose_program(program, f->object, &f->first, why, why_size);
	err = process_image_look(p);
	if (err == -ESRCH)
		snprintf(why, why_size, "no such process: %d", (int)p->pid);
	else if (err)
		explain_refusal((pid_t)p->pid, err, why, why_size);
	else
		err = check_process(p, why, why_size);
	return err ? err : choose_when_mapped(f, p, why, why_size);
}

/* ---- files --------------------------------------------------------------------------- */

static bool is_probed(const struct family_probes *f, const struct file_id *id)
{
	for (size_t i = 0; i < f->file_count; i++)
		if (f->files[i].device == id->device && f->files[i].inode == id->inode &&
		    f->files[i].use == id->use)
			return true;
	return false;
}

static int probe_file(struct family_probes *f, const struct allocator *a,
		      const pid_t *pids, size_t count, char *why, size_t size)
{
	struct file_id id = { .use = a->scope < ALLOCATOR_REGIONS ? 0 : (int)a->scope }, *bigger;
	struct stat st;
	int err;

	if (stat(a->path, &st)) {
		err = -errno;
		snprintf(why, size, "%s: %s", a->path, strerror(-err));
		return err;
	}
	id.device = st.st_dev;
	id.inode = st.st_ino;
	if (is_probed(f, &id))
		return 0;
	bigger = array_grow(f->files, f->file_count, &f->file_room, sizeof(*bigger));
	if (!bigger) {
		snprintf(why, size, "out of memory");
		return -ENOMEM;
	}
	f->files = bigger;
	err = heap_tracer_attach(f->tracer, a, pids, count, why, size);
	if (!err)
		f->files[f->file_count++] = id;
	return err;
}

static int remember_name(struct family_probes *f, const char *name);

static int probe_choice(struct family_probes *f, const struct allocator_choice *c,
			const pid_t *pids, size_t count, char *why, size_t size)
{
	int err = remember_name(f, c->name);

	for (size_t i = 0; i < c->count && !err; i++)
		err = probe_file(f, &c->file[i], pids, count, why, size);
	return err;
}

/* ---- loaders ------------------------------------------------------------------------- */

/* 0; -ENOENT: it does not say when it has mapped something; or -errno. */
static int probe_loader(struct family_probes *f, const char *path, const char *name,
			const pid_t *pids, size_t count)
{
	struct allocator *a = calloc(1, sizeof(*a));
	char why[1024];
	int err = a ? allocator_find(path, ALLOCATOR_LOADER, a) : -ENOMEM;

	for (size_t i = 0; !err && i < a->count; i++)
		if (!strncmp(basename(name), "ld-musl", 7))
			a->probe[i].function = KU_LOADED_ONCE;
	if (!err)
		err = probe_file(f, a, pids, count, why, sizeof(why));
	free(a);
	return err;
}

/* The interpreter of a program that is mapped; NULL: not mapped, or it has none. */
static const struct image_module *loader_of(const struct process_image *p)
{
	char path[4096], interp[4096], real[4096];

	for (size_t i = 0; i < p->count; i++) {
		if (!p->modules[i].program)
			continue;
		process_image_file(p, &p->modules[i], path);
		if (allocator_interpreter(path, interp) || !*interp)
			return NULL;
		for (size_t k = 0; k < p->count; k++)
			if (!strcmp(basename(p->modules[k].path), basename(interp)) ||
			    (realpath(interp, real) && !strcmp(p->modules[k].path, real)))
				return &p->modules[k];
	}
	return NULL;
}

static int probe_loader_of(struct family_probes *f, const struct process_image *p,
			   const pid_t *pids, size_t count)
{
	const struct image_module *m = loader_of(p);
	char path[4096];

	if (!m)
		return -ENOENT;
	process_image_file(p, m, path);
	return probe_loader(f, path, m->path, pids, count);
}

/* ---- what maps for itself --------------------------------------------------------------- */

static int remember_name(struct family_probes *f, const char *name)
{
	char **bigger;

	for (size_t i = 0; i < f->name_count; i++)
		if (!strcmp(f->names[i], name))
			return 0;
	bigger = array_grow(f->names, f->name_count, &f->name_room, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	f->names = bigger;
	bigger[f->name_count] = strdup(name);
	return bigger[f->name_count] ? (f->name_count++, 0) : -ENOMEM;
}

void family_probes_mark(const struct family_probes *f, struct process_image *p)
{
	for (size_t i = 0; i < p->count; i++) {
		struct image_module *m = &p->modules[i];

		m->quiet = allocator_is_system(m->path);
		for (size_t k = 0; k < f->name_count && !m->quiet; k++)
			m->quiet = !strcmp(m->path, f->names[k]);
	}
}

/* ---- beginning, and going on ------------------------------------------------------------ */

int family_probes_begin(struct family_probes *f, struct heap_tracer *t, struct process_image *p,
			pid_t pid, char *why, size_t why_size)
{
	char interp[4096];
	int err;

	f->tracer = t;
	err = probe_choice(f, &f->first, &pid, 1, why, why_size);
	/* without the loader's word modules are looked at now and then */
	if (!err && !p->program)
		probe_loader_of(f, p, &pid, 1);
	else if (!err && !allocator_interpreter(p->program, interp) && *interp)
		probe_loader(f, interp, interp, &pid, 1);
	return err;
}

int family_probes_image(struct family_probes *f, struct process_image *p, bool loaded,
			const pid_t *pids, size_t count, char *why, size_t why_size)
{
	const struct image_module *loader = loaded ? NULL : loader_of(p);
	int err;

	if (loader)
		return probe_loader_of(f, p, pids, count) ? 0 : FAMILY_PROBES_LATER;
	err = allocator_choose(p, f->object, &f->next, why, why_size);
	return err ? err : probe_choice(f, &f->next, pids, count, why, why_size);
}

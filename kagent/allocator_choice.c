// SPDX-License-Identifier: MIT
/* allocator_choice.c - see allocator_choice.h. ld.so(8): --list. */
#define _GNU_SOURCE
#include "kagent/allocator_choice.h"

#include "common/array.h"
#include "common/fmt.h"
#include "common/io.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A file of the process, in the order in which they are looked at. */
struct object {
	char name[4096];	/* as the process sees it */
	char path[4096];	/* to open it */
	bool program;
};

struct objects {
	struct object *list;
	size_t count, room;
};

static int because(char *why, size_t size, int err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static int because(char *why, size_t size, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, size, format, args);
	va_end(args);
	return err;
}

static struct object *add(struct objects *o)
{
	struct object *bigger = array_grow(o->list, o->count, &o->room, sizeof(*bigger));

	if (!bigger)
		return NULL;
	o->list = bigger;
	memset(&bigger[o->count], 0, sizeof(*bigger));
	return &bigger[o->count++];
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool begins(const char *name, const char *with)
{
	return !strncmp(name, with, strlen(with));
}

/* The loader's own allocator serves nobody else; libleak.so's functions are not the allocator. */
static bool is_no_allocator(const struct object *o)
{
	const char *base = base_of(o->name);

	return begins(base, "ld-linux") || begins(base, "ld-2.") || begins(base, "libleak.so") ||
	       begins(base, "libleak-musl.so");
}

static bool is_c_library(const struct object *o)
{
	const char *base = base_of(o->name);

	return begins(base, "libc.so") || begins(base, "libc-2.") || begins(base, "libc.musl") ||
	       begins(base, "ld-musl");
}

bool allocator_is_system(const char *path)
{
	const char *base = base_of(path);

	return begins(base, "libc.so") || begins(base, "libc-2.") || begins(base, "libc.musl") ||
	       begins(base, "ld-");
}

static bool is_cxx_runtime(const struct object *o)
{
	const char *base = base_of(o->name);

	return begins(base, "libstdc++.so") || begins(base, "libc++abi.so") ||
	       begins(base, "libc++.so");
}

/* "jemalloc", "libjemalloc", "libjemalloc.so.2" and "c" as in bcc. */
static bool is_named(const struct object *o, const char *wanted)
{
	const char *base = base_of(o->name);
	size_t len = strlen(wanted);

	if (!strcmp(base, wanted) || (o->program && !strcmp(wanted, o->name)))
		return true;
	if (begins(base, "lib") && !begins(wanted, "lib"))
		base += 3;
	return begins(base, wanted) && (begins(base + len, ".so") || begins(base + len, "-"));
}

/* ---- the choice ----------------------------------------------------------------- */

static bool take(struct allocator_choice *c, const struct object *o, enum allocator_scope scope)
{
	if (allocator_find(o->path, scope, &c->file[c->count]))
		return false;
	if (!c->count)
		snprintf(c->name, sizeof(c->name), "%s", o->name);
	c->count++;
	return true;
}

/* The program first, as the loader does; then what is not the C library, then that. */
static bool take_first(struct allocator_choice *c, const struct objects *o)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->list[i].program && take(c, &o->list[i], ALLOCATOR_ALL))
			return true;
	for (int libc = 0; libc < 2; libc++)
		for (size_t i = 0; i < o->count; i++)
			if (!o->list[i].program && is_c_library(&o->list[i]) == libc &&
			    !is_no_allocator(&o->list[i]) && !is_cxx_runtime(&o->list[i]) &&
			    take(c, &o->list[i], ALLOCATOR_EXPORTED))
				return true;
	return false;
}

static bool has_new(const struct allocator *a)
{
	for (size_t i = 0; i < a->count; i++)
		if (begins(a->probe[i].name, "_Znwm"))
			return true;
	return false;
}

/*
 * operator new of the runtime keeps no frame pointer: seen from malloc() its caller
 * would be missing.
 */
static void take_cxx(struct allocator_choice *c, const struct objects *o)
{
	for (size_t i = 0; i < o->count && c->count < ALLOCATOR_FILES - 1; i++)
		if (!has_new(&c->file[0]) && is_cxx_runtime(&o->list[i]))
			take(c, &o->list[i], ALLOCATOR_NEW);
}

/* (Those of a static program could not be told from what the C library maps for itself.) */
static void take_regions(struct allocator_choice *c, const struct objects *o)
{
	for (size_t i = 0; i < o->count; i++)
		if (!o->list[i].program && is_c_library(&o->list[i]) &&
		    take(c, &o->list[i], ALLOCATOR_REGIONS))
			return;
}

static int take_named(struct allocator_choice *c, const struct objects *o, const char *wanted,
		      char *why, size_t size)
{
	char text[256];

	for (size_t i = 0; i < o->count; i++)
		if (is_named(&o->list[i], wanted) && take(c, &o->list[i], ALLOCATOR_ALL))
			return 0;
	fmt_name_buf(text, sizeof(text), wanted);
	for (size_t i = 0; i < o->count; i++)
		if (is_named(&o->list[i], wanted))
			return because(why, size, -ENOENT, "-O %s: it has no malloc, or none whose "
				       "name is known: its symbols are stripped", text);
	return because(why, size, -ENOENT, "-O %s: the process has nothing of that name mapped: "
		       "see /proc/PID/maps, or give a path", text);
}

static int take_path(struct allocator_choice *c, const char *path, char *why, size_t size)
{
	struct object o = { .program = false };
	char text[256];
	int err;

	snprintf(o.name, sizeof(o.name), "%s", path);
	snprintf(o.path, sizeof(o.path), "%s", path);
	if (take(c, &o, ALLOCATOR_ALL))
		return 0;
	err = access(path, R_OK) ? -errno : -ENOENT;
	fmt_name_buf(text, sizeof(text), path);
	return because(why, size, err, "-O %s: %s", text,
		       err == -ENOENT && !access(path, F_OK) ? "no malloc is to be found in it" :
		       strerror(-err));
}

static int choose(const struct objects *o, const char *object, struct allocator_choice *c,
		  char *why, size_t size)
{
	char text[256];
	int err = 0;

	c->count = 0;
	if (object && strchr(object, '/'))
		err = take_path(c, object, why, size);
	else if (object)
		err = take_named(c, o, object, why, size);
	else if (!take_first(c, o))
		err = because(why, size, -ENOENT, "no malloc is to be found in %s%s: if its symbols "
			      "are stripped, install its debug symbols, or name the file that has "
			      "the allocator with -O OBJECT",
			      fmt_name_buf(text, sizeof(text), o->count ? o->list[0].name : "it"),
			      o->count > 1 ? " or its libraries" : "");
	if (!err)
		take_cxx(c, o);
	if (!err)
		take_regions(c, o);
	return err;
}

int allocator_choose(struct process_image *p, const char *object, struct allocator_choice *out,
		     char *why, size_t why_size)
{
	struct objects o = { .list = NULL };
	int err = 0;

	for (size_t i = 0; i < p->count && !err; i++) {
		struct object *one = add(&o);

		if (!one) {
			err = because(why, why_size, -ENOMEM, "out of memory");
			break;
		}
		snprintf(one->name, sizeof(one->name), "%s", p->modules[i].path);
		process_image_file(p, &p->modules[i], one->path);
		one->program = p->modules[i].program;
	}
	if (!err)
		err = choose(&o, object, out, why, why_size);
	free(o.list);
	return err;
}

/* ---- a program that does not run yet ----------------------------------------------- */

int allocator_interpreter(const char *program, char interp[4096])
{
	int fd = open(program, O_RDONLY | O_CLOEXEC), err = fd < 0 ? -errno : 0;
	Elf64_Ehdr h;
	Elf64_Phdr ph;

	interp[0] = 0;
	if (!err && (io_pread(fd, &h, sizeof(h), 0) != sizeof(h) ||
		     memcmp(h.e_ident, ELFMAG, SELFMAG) || h.e_ident[EI_CLASS] != ELFCLASS64))
		err = -ENOEXEC;
	for (unsigned int i = 0; !err && i < h.e_phnum && !*interp; i++) {
		if (io_pread(fd, &ph, sizeof(ph), h.e_phoff + i * sizeof(ph)) != sizeof(ph))
			err = -ENOEXEC;
		else if (ph.p_type == PT_INTERP && ph.p_filesz < 4096 &&
			 io_pread(fd, interp, ph.p_filesz, ph.p_offset) == (ssize_t)ph.p_filesz)
			interp[ph.p_filesz] = 0;
	}
	if (fd >= 0)
		close(fd);
	return err;
}

/* "	libc.so.6 => /lib/libc.so.6 (0x...)" or "	/lib/ld.so (0x...)" */
static int take_line(struct objects *o, char *line)
{
	char *path = strchr(line, '/'), *end;
	struct object *one;

	if (!path)
		return 0;
	end = strstr(path, " (0x");
	if (end)
		*end = 0;
	one = add(o);
	if (!one)
		return -ENOMEM;
	snprintf(one->name, sizeof(one->name), "%s", path);
	snprintf(one->path, sizeof(one->path), "%s", path);
	return 0;
}

static int read_list(struct objects *o, int fd)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;
	int err = 0;

	if (!in) {
		close(fd);
		return -ENOMEM;
	}
	while (!err && getline(&line, &room, in) > 0) {
		line[strcspn(line, "\n")] = 0;
		err = take_line(o, line);
	}
	free(line);
	fclose(in);
	return err;
}

static int ask_loader(struct objects *o, const char *interp, const char *program)
{
	char *argv[] = { (char *)interp, "--list", (char *)program, NULL };
	posix_spawn_file_actions_t actions;
	int pipes[2], err;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
	err = -posix_spawn(&pid, interp, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[1]);
	if (err) {
		close(pipes[0]);
		return err;
	}
	err = read_list(o, pipes[0]);
	waitpid(pid, NULL, 0);
	return err;
}

int allocator_choose_program(const char *program, const char *object,
			     struct allocator_choice *out, char *why, size_t why_size)
{
	struct objects o = { .list = NULL };
	struct object *first = add(&o);
	char interp[4096], text[256];
	int err = first ? allocator_interpreter(program, interp) : -ENOMEM;

	if (!err) {
		snprintf(first->name, sizeof(first->name), "%s", program);
		snprintf(first->path, sizeof(first->path), "%s", program);
		first->program = true;
	}
	if (!err && *interp)
		err = ask_loader(&o, interp, program);
	if (err)
		because(why, why_size, err, "%s: %s", fmt_name_buf(text, sizeof(text), program),
			err == -ENOEXEC ? "no 64-bit program" : strerror(-err));
	else
		err = choose(&o, object, out, why, why_size);
	free(o.list);
	return err;
}

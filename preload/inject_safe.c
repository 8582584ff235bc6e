// SPDX-License-Identifier: MIT
/* inject_safe.c - see inject_safe.h */
#define _GNU_SOURCE 1
#include "inject_safe.h"

#include "inject_unwind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct safety {
	const struct image *image;
	const struct image_object *libc;
	const struct image_object *loader;
	uint64_t malloc_start, malloc_end;	/* the C library's allocator, static functions included */
	struct unwinder *unwinder;
};

static const char *const allocator_names[] = {
	"malloc", "calloc", "realloc", "reallocarray", "free", "cfree", "memalign",
	"aligned_alloc", "posix_memalign", "valloc", "pvalloc", "malloc_trim",
	"malloc_usable_size", "mallinfo", "mallinfo2", "mallopt", "malloc_stats",
	"malloc_info",
	/* Aliases, which libleak leaves alone when it redirects the names above. */
	"__libc_malloc", "__libc_calloc", "__libc_realloc", "__libc_free", "__libc_memalign",
	"__libc_valloc", "__libc_pvalloc", NULL
};

/* Functions of the C library under which a lock is held that loading needs, or a process ends. */
static const char *const libc_names[] = {
	"fork", "_Fork", "vfork", "__libc_fork", "forkpty", "daemon", "posix_spawn", "posix_spawnp",
	"system", "popen", "exit", "_exit", "_Exit", "quick_exit", "abort", "on_exit", "atexit",
	"__cxa_atexit", "__cxa_at_quick_exit", "__cxa_finalize", "__cxa_thread_atexit_impl",
	"pthread_create", "pthread_exit", "pthread_atfork", "__register_atfork",
	"pthread_getattr_np", "pthread_setattr_default_np", "pthread_getattr_default_np",
	"__libc_freeres", "dlopen", "dlmopen", "dlclose", "dlsym", "dlvsym", "dladdr", "dladdr1",
	"dlinfo", "dlerror", "dl_iterate_phdr", "__libc_dlopen_mode", "__libc_dlsym",
	"__libc_dlclose", "setuid", "setgid", "seteuid", "setegid", "setreuid", "setregid",
	"setresuid", "setresgid", "setgroups", "initgroups", "__nptl_setxid", NULL
};

static bool listed(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

/* The range of functions that belong to malloc.o: from the end of the one before to the last. */
static void find_allocator_range(struct safety *s)
{
	const struct image_symbol *sym = s->libc->symbols;
	uint64_t end_before = s->libc->text_start;

	for (size_t i = 0; i < s->libc->symbol_count; i++) {
		/* (musl has valloc elsewhere) */
		bool ours = listed(allocator_names, sym[i].name) && sym[i].size &&
			    strcmp(sym[i].name, "valloc") != 0;
		uint64_t end = sym[i].addr + sym[i].size;

		/* An attached libleak has led some names to itself. */
		if (sym[i].addr < s->libc->text_start || end > s->libc->text_end)
			continue;
		if (ours && !s->malloc_start)
			s->malloc_start = end_before;
		if (ours && end > s->malloc_end)
			s->malloc_end = end;
		if (end > end_before)
			end_before = end;
	}
}

int safety_new(struct safety **out, const struct image *image, int mem)
{
	struct safety *s = calloc(1, sizeof(*s));
	const struct image_object *o;
	int err;

	if (!s)
		return -ENOMEM;
	s->image = image;
	s->loader = image_at(image, image_loader_base(image));
	for (size_t n = 0; (o = image_object(image, n)); n++)
		if (image_function(o, "__libc_start_main") && image_function(o, "malloc"))
			s->libc = o;
	err = s->libc ? unwinder_new(&s->unwinder, image, mem) : -ENOTSUP;
	if (err) {
		free(s);
		return err;
	}
	find_allocator_range(s);
	*out = s;
	return 0;
}

void safety_free(struct safety *safety)
{
	if (!safety)
		return;
	unwinder_free(safety->unwinder);
	free(safety);
}

const struct image_object *safety_libc(const struct safety *safety)
{
	return safety->libc;
}

/* What the functions at addr are called says; aliases have entries of their own. */
static enum safety_verdict judge_names(const struct image_object *o, uint64_t addr)
{
	for (size_t i = 0; i < o->symbol_count && o->symbols[i].addr <= addr; i++) {
		const struct image_symbol *sym = &o->symbols[i];

		if (addr - sym->addr >= sym->size)
			continue;
		if (listed(allocator_names, sym->name))
			return UNSAFE_ALLOCATOR;
		if (listed(libc_names, sym->name))
			return UNSAFE_LIBC;
	}
	return SAFE;
}

static enum safety_verdict judge_libc(const struct safety *s, uint64_t addr)
{
	if (addr >= s->malloc_start && addr < s->malloc_end)
		return UNSAFE_ALLOCATOR;
	return judge_names(s->libc, addr);
}

static bool is_recorder(const struct image_object *o)
{
	const char *base = strrchr(o->path, '/');

	base = base ? base + 1 : o->path;
	return !strncmp(base, "libleak", 7) || !strncmp(base, "memfd:libleak", 13);
}

/* Libraries that bring an allocator or, before glibc 2.34, the loader's and thread functions. */
static bool is_allocator_library(const struct safety *s, const struct image_object *o)
{
	return image_function(o, "malloc") && image_function(o, "free") &&
	       image_at(s->image, image_entry(s->image)) != o;
}

/*
 * One frame. A program that defines malloc itself is judged by the names it
 * exports, as the C library is. `program` becomes true for a frame of neither
 * the C library nor the loader.
 */
static enum safety_verdict judge_frame(const struct safety *s, uint64_t addr, bool *program)
{
	const struct image_object *o = image_at(s->image, addr);

	if (!o) {
		*program = true;	/* generated code, or loaded since */
		return SAFE;
	}
	if (o == s->libc)
		return judge_libc(s, addr);
	if (o == s->loader)
		return UNSAFE_LOADER;
	if (is_recorder(o))
		return UNSAFE_RECORDER;
	if (is_allocator_library(s, o))
		return UNSAFE_ALLOCATOR;
	if (strstr(o->path, "/libpthread") || strstr(o->path, "/libdl"))
		return judge_names(o, addr);
	*program |= strcmp(o->path, "[vdso]") != 0;
	return image_function(o, "malloc") ? judge_names(o, addr) : SAFE;
}

/* A stack is whole when it ends where threads and programs start: in the C library or _start. */
static bool is_outermost(const struct safety *s, uint64_t addr)
{
	const struct image_object *o = image_at(s->image, addr);
	uint64_t entry = image_entry(s->image);

	return o == s->libc || (addr >= entry && addr - entry < 64);
}

/* What is known of a stack while it is walked. */
struct judgement {
	const struct safety *safety;
	bool program;		/* a frame of neither the C library nor the loader was seen */
	uint64_t last;		/* the outermost frame so far */
};

/*
 * A signal handler is as good a place as what it interrupted, which is judged, too. (Some
 * programs never leave theirs: PostgreSQL before 16 forks servers in the handler of SIGCHLD.)
 */
static int judge_next(uint64_t addr, void *arg)
{
	struct judgement *j = arg;

	j->last = addr;
	return judge_frame(j->safety, addr, &j->program);
}

enum safety_verdict safety_judge(const struct safety *safety, const struct user_regs_struct *regs)
{
	struct judgement j = { .safety = safety };
	int r = unwinder_walk(safety->unwinder, regs, judge_next, &j);

	if (r > 0)
		return (enum safety_verdict)r;
	if (r < 0 || !is_outermost(safety, j.last))
		return SAFE_UNLESS_HIDDEN;
	return j.program ? SAFE : UNSAFE_NO_PROGRAM;
}

const char *safety_words(enum safety_verdict verdict)
{
	switch (verdict) {
	case SAFE: case SAFE_UNLESS_HIDDEN: return "at a safe place";
	case UNSAFE_ALLOCATOR:	return "inside the allocator";
	case UNSAFE_LOADER:	return "inside the dynamic loader";
	case UNSAFE_LIBC:	return "creating or ending a thread or process, or changing its user";
	case UNSAFE_RECORDER:	return "inside libleak";
	case UNSAFE_STACK:	return "on a small stack, or one of the program's own making";
	case UNSAFE_NO_PROGRAM:	return "starting, ending, or not the program's own";
	}
	return "somewhere unknown";
}

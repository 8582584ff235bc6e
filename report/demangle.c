// SPDX-License-Identifier: MIT
/* demangle.c - C++ and Rust symbol names as people write them, by libiberty. */
#include "report/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#define MANGLED_MAX 4096u
#define READABLE_MAX 8192u

struct text {
	char *buf;
	size_t used;
	jmp_buf too_long;
};

/*
 * The printers of libiberty keep their state on the stack and allocate nothing
 * when they print to a callback, so that jumping out of one loses nothing.
 */
static void add_text(const char *s, size_t len, void *arg)
{
	struct text *t = arg;

	if (len >= READABLE_MAX - t->used)
		longjmp(t->too_long, 1);
	memcpy(t->buf + t->used, s, len);
	t->used += len;
}

static int print_name(const char *name, struct text *t)
{
	const int options = DMGL_PARAMS | DMGL_ANSI;

	if (setjmp(t->too_long))
		return 0;
	/* Rust's older names are valid C++ names: ask for Rust first. */
	if (rust_demangle_callback(name, options, add_text, t))
		return 1;
	t->used = 0;
	return cplus_demangle_v3_callback(name, options, add_text, t);
}

char *demangle(const char *name)
{
	struct text t = { 0 };
	char *readable;

	if (name[0] != '_' || (name[1] != 'Z' && name[1] != 'R') ||
	    strnlen(name, MANGLED_MAX) == MANGLED_MAX)
		return NULL;
	t.buf = malloc(READABLE_MAX);
	if (!t.buf)
		return NULL;
	if (!print_name(name, &t) || !t.used) {
		free(t.buf);
		return NULL;
	}
	t.buf[t.used] = 0;
	readable = realloc(t.buf, t.used + 1);
	return readable ? readable : t.buf;
}

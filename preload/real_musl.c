// SPDX-License-Identifier: MIT
/* real_musl.c - see real_musl.h. */
#include "real_musl.h"

#include <errno.h>
#include <link.h>
#include <string.h>

#include "compiler.h"
#include "libc.h"
#include "objects.h"
#include "real.h"

#define PAGE 4096ul
#define MIN_SIZE 13	/* mallocng's blocks of 12 bytes and less are 16 bytes apart, others 32 or more */

static bool is_zero(const uint64_t *page)
{
	uint64_t any = 0;

	for (size_t i = 0; i < PAGE / sizeof(*page); i++)
		any |= page[i];
	return !any;
}

/* Pages that are zero are not written to: those of a large block are not there yet. */
static void zero(char *p, size_t size)
{
	size_t head = -(uintptr_t)p & (PAGE - 1);

	if (size < head + PAGE) {
		memset(p, 0, size);
		return;
	}
	memset(p, 0, head);
	for (p += head, size -= head; size >= PAGE; p += PAGE, size -= PAGE)
		if (!is_zero((const uint64_t *)p))
			memset(p, 0, PAGE);
	memset(p, 0, size);
}

static void *musl_calloc(size_t n, size_t size)
{
	size_t total;
	void *p;

	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	p = real.malloc(total);
	if (p)
		zero(p, total);
	return p;
}

static int musl_posix_memalign(void **out, size_t align, size_t size)
{
	void *p;

	if (align < sizeof(void *))
		return EINVAL;
	p = real.aligned_alloc(align, size);
	if (!p)
		return errno;
	*out = p;
	return 0;
}

static void *musl_valloc(size_t size)
{
	return real.aligned_alloc(PAGE, size);
}

/* Is it of the same object as a function that nobody else brings? */
static bool is_libc(const void *fn)
{
	struct object o, libc;

	return objects_find((uintptr_t)fn, &o) &&
	       objects_find((uintptr_t)dl_iterate_phdr, &libc) && o.id == libc.id;
}

void real_musl_amend(void)
{
	if (!libc_is_musl())
		return;
	if (is_libc((const void *)real.malloc))
		real.min_size = MIN_SIZE;
	if (is_libc((const void *)real.calloc))
		real.calloc = musl_calloc;
	if (!real.aligned_alloc)
		return;
	if (is_libc((const void *)real.memalign))
		real.memalign = real.aligned_alloc;
	if (is_libc((const void *)real.posix_memalign))
		real.posix_memalign = musl_posix_memalign;
	if (is_libc((const void *)real.valloc))
		real.valloc = musl_valloc;
}

// SPDX-License-Identifier: MIT
/* realloc_edge - what realloc and free do at their edges. */
#define _GNU_SOURCE 1
#include "ledger.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

/* Opaque to the compiler, which would warn about such a size. */
static volatile size_t too_much = PTRDIFF_MAX;

static char *leak_kept(void)
{
	return strcpy(malloc(100), "still here");
}

static int failed_realloc_keeps(void)
{
	char *volatile block = leak_kept();
	int failed = !realloc(block, too_much) && errno == ENOMEM;

	ledger_line(1, 100, "leak_kept;failed_realloc_keeps;main");
	return failed && !strcmp(block, "still here");
}

static char *leak_array(void)
{
	return strcpy(malloc(200), "also here");
}

static int overflowing_reallocarray_keeps(void)
{
	char *volatile block = leak_array();
	int failed = !reallocarray(block, too_much, 3) && errno == ENOMEM;

	ledger_line(1, 200, "leak_array;overflowing_reallocarray_keeps;main");
	return failed && !strcmp(block, "also here");
}

static char *tidy_malloc(void)
{
	return malloc(300);
}

static int realloc_to_zero_frees(void)
{
	char *volatile block = tidy_malloc();

	return !realloc(block, 0);
}

static char *leak_moved(char *block)
{
	return realloc(block, 1 << 20);
}

/* The block that is outstanding afterwards is realloc's, not malloc's. */
static int realloc_takes_over(void)
{
	ledger_line(1, 1 << 20, "leak_moved;realloc_takes_over;main");
	return leak_moved(tidy_malloc()) != NULL;
}

static char *leak_empty(void)
{
	return malloc(0);
}

/* A block of no bytes is a block. */
static int zero_sized_counts(void)
{
	ledger_line(1, 0, "leak_empty;zero_sized_counts;main");
	return leak_empty() != NULL;
}

static void *leak_failed(void)
{
	return malloc(too_much);
}

static int failures_leave_no_trace(void)
{
	void *p = (void *)&too_much;
	int kept = posix_memalign(&p, 64, too_much) == ENOMEM && p == (void *)&too_much;

	return kept && !leak_failed() && !calloc(too_much, 16) && !memalign(64, too_much) &&
	       posix_memalign(&p, 3, 8) == EINVAL;
}

/* C23's, where the library (or the shim) has them. */
extern void free_sized(void *block, size_t size) __attribute__((weak));
extern void free_aligned_sized(void *block, size_t align, size_t size) __attribute__((weak));

static void *tidy_aligned(void)
{
	return aligned_alloc(64, 640);
}

static int sized_frees_free(void)
{
	void (*volatile sized)(void *, size_t) = free_sized;
	void (*volatile aligned_sized)(void *, size_t, size_t) = free_aligned_sized;

	if (sized)
		sized(tidy_malloc(), 300);
	if (aligned_sized)
		aligned_sized(tidy_aligned(), 64, 640);
	return 1;
}

static int free_of_nothing(void)
{
	errno = 42;
	free(NULL);
	free(tidy_malloc());
	return errno == 42;
}

int main(void)
{
	static int (*const cases[])(void) = {
		failed_realloc_keeps, overflowing_reallocarray_keeps, realloc_to_zero_frees,
		realloc_takes_over, zero_sized_counts, failures_leave_no_trace, sized_frees_free,
		free_of_nothing
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (!cases[i]()) {
			printf("case %zu failed\n", i);
			return 1;
		}
	}
	puts("all well");
	return 0;
}

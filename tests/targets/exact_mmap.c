// SPDX-License-Identifier: MIT
/*
 * exact_mmap [OPERATIONS] - random mmap, MAP_FIXED over what is mapped, partial
 * munmap, mprotect and mremap in one arena, with a note of who owns each page. The
 * ledger's counts are not to be compared (a hole makes two mappings of one): bytes are.
 * What is reserved (PROT_NONE) in the end, in bytes, is written to standard output.
 */
#define _GNU_SOURCE 1
#include "ledger.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* The first pages are left alone, so that some stay as they were reserved. */
enum { PAGE = 4096, PAGES = 512, KEEP = 8, NOBODY = 0, RESERVED, OPENED, FIXED, GROWN, SHRUNK, MOVED, OWNERS };

static const char *const names[OWNERS] = {
	"", "", "leak_open;random_protection;main", "leak_fixed;random_step;main", "leak_grow;grow_and_shrink;main",
	"leak_shrink;grow_and_shrink;main", "leak_move;move;main"
};

static char *arena;
static uint8_t owner[PAGES];
static uint64_t state = 7;

static uint32_t next_random(void)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(state >> 33);
}

static void *reserve(size_t n)
{
	return mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static void *leak_fixed(void *at, size_t n)
{
	return mmap(at, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static int leak_open(void *at, size_t n)
{
	return mprotect(at, n, PROT_READ | PROT_WRITE);
}

static void *leak_grow(void *at, size_t old, size_t n)
{
	return mremap(at, old, n, MREMAP_MAYMOVE);
}

static void *leak_shrink(void *at, size_t old, size_t n)
{
	return mremap(at, old, n, 0);
}

static void *leak_move(void *at, size_t old, size_t n, void *to)
{
	return mremap(at, old, n, MREMAP_MAYMOVE | MREMAP_FIXED, to);
}

/* Maps over, or unmaps, a random range of the arena. */
static void random_step(void)
{
	uint32_t from = KEEP + next_random() % (PAGES - KEEP), n = 1 + next_random() % 24;
	char *at = arena + (size_t)from * PAGE;

	if (from + n > PAGES)
		n = PAGES - from;
	if (next_random() % 3 == 0) {
		munmap(at, (size_t)n * PAGE);
		memset(owner + from, NOBODY, n);
	} else if (leak_fixed(at, (size_t)n * PAGE) == at) {
		memset(owner + from, FIXED, n);
	}
}

/*
 * Makes a random range of the arena accessible that has no hole, or takes the access away,
 * which is no concern of who allocated it.
 */
static void random_protection(void)
{
	uint32_t from = KEEP + next_random() % (PAGES - KEEP), n = 0, longest = 1 + next_random() % 24;
	char *at = arena + (size_t)from * PAGE;

	while (n < longest && from + n < PAGES && owner[from + n] != NOBODY)
		n++;
	if (next_random() % 3 == 0) {
		mprotect(at, (size_t)n * PAGE, PROT_NONE);
		return;
	}
	if (leak_open(at, (size_t)n * PAGE))
		return;
	for (uint32_t i = from; i < from + n; i++)
		if (owner[i] == RESERVED)
			owner[i] = OPENED;
}

/* As an allocator gives back memory but not the addresses. */
static void reserve_again(void)
{
	uint32_t from = KEEP + next_random() % (PAGES - KEEP - 12);

	mmap(arena + (size_t)from * PAGE, 12 * PAGE, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	memset(owner + from, RESERVED, 12);
}

/* Reserved addresses stay so when they are moved. */
static int grow_reserved(void)
{
	char *small = reserve(4 * PAGE), *large = mremap(small, 4 * PAGE, 20 * PAGE, MREMAP_MAYMOVE);

	return large != MAP_FAILED && !munmap(large + 2 * PAGE, 3 * PAGE);
}

static int grow_and_shrink(void)
{
	char *small = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *large = mmap(NULL, 64 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ledger_line(1, 32 * PAGE, names[GROWN]);
	ledger_line(1, 8 * PAGE, names[SHRUNK]);
	return leak_grow(small, PAGE, 32 * PAGE) != MAP_FAILED &&
	       leak_shrink(large, 64 * PAGE, 8 * PAGE) == large;
}

/* Moves a mapping of its own into the arena, over whatever is there. */
static int move(void)
{
	char *mine = mmap(NULL, 16 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *to = arena + 100 * PAGE;

	memset(owner + 100, MOVED, 16);
	return leak_move(mine, 16 * PAGE, 16 * PAGE, to) == to;
}

int main(int argc, char **argv)
{
	long operations = argc > 1 ? atol(argv[1]) : 5000;
	long long pages[OWNERS] = { 0 };

	arena = reserve((size_t)PAGES * PAGE);
	if (arena == MAP_FAILED)
		return 1;
	memset(owner, RESERVED, PAGES);
	if (!grow_and_shrink() || !grow_reserved())
		return 1;
	for (long i = 0; i < operations; i++) {
		if (next_random() % 4 == 0)
			reserve_again();
		random_step();
		random_protection();
	}
	if (!move())
		return 1;
	munmap(arena + 104 * PAGE, 4 * PAGE);
	memset(owner + 104, NOBODY, 4);
	for (int i = 0; i < PAGES; i++)
		pages[owner[i]]++;
	printf("%lld\n", (pages[RESERVED] + 17) * PAGE);
	for (int i = OPENED; i < OWNERS; i++)
		ledger_line(pages[i], pages[i] * PAGE, names[i]);
	/* A failed mremap changes nothing. */
	return leak_grow(arena + 104 * PAGE, PAGE, 2 * PAGE) == MAP_FAILED ? 0 : 1;
}

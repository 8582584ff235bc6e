// SPDX-License-Identifier: MIT
/*
 * forked_maps - maps regions and forks. Before the child does anything that is
 * recorded, the parent unmaps, cuts and replaces its own, and allocates, so that their
 * records come to mean others. Then the child unmaps and cuts what it inherited, and
 * maps more. Of addresses that were reserved before, each makes another part accessible.
 */
#define _GNU_SOURCE 1
#include "ledger.h"

#include <sys/mman.h>
#include <sys/wait.h>

enum { REGIONS = 40, PAGE = 4096, MORE = 200 };

static char *inherited[REGIONS], *reserved;
static void *volatile kept;

static char *map(size_t pages)
{
	return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static char *leak_first(size_t pages)
{
	return map(pages);
}

static char *leak_by_parent(size_t pages)
{
	return map(pages);
}

static void *leak_block(void)
{
	return malloc(100);
}

static char *leak_by_child(size_t pages)
{
	return map(pages);
}

static int leak_open(char *at, size_t pages)
{
	return mprotect(at, pages * PAGE, PROT_READ | PROT_WRITE);
}

static void parent_changes(void)
{
	if (leak_open(reserved + 2 * PAGE, 3))
		return;
	for (int i = 0; i < REGIONS; i++)
		munmap(inherited[i], i % 4 == 3 ? PAGE : 4 * PAGE);
	for (int i = 0; i < MORE; i++)
		kept = leak_by_parent(2);
	for (int i = 0; i < MORE; i++)
		kept = leak_block();
	ledger_line(1, 3 * PAGE, "leak_open;parent_changes;main");
	ledger_line(REGIONS / 4, REGIONS / 4 * 3 * PAGE, "leak_first;main");
	ledger_line(MORE, MORE * 2 * PAGE, "leak_by_parent;parent_changes;main");
	ledger_line(MORE, MORE * 100, "leak_block;parent_changes;main");
}

static int child_changes(void)
{
	for (int i = 0; i < REGIONS; i++)
		if (munmap(inherited[i], i % 2 ? PAGE : 4 * PAGE))
			return 1;
	for (int i = 0; i < MORE; i++)
		kept = leak_by_child(5);
	for (int i = 0; i < MORE; i++)
		if (i % 2 && munmap(leak_by_child(3), 3 * PAGE))
			return 1;
	if (leak_open(reserved, 4))
		return 1;
	ledger_line(1, 4 * PAGE, "leak_open;child_changes;main");
	ledger_line(MORE, MORE * 5 * PAGE, "leak_by_child;child_changes;main");
	return 0;
}

int main(void)
{
	int turn[2], status = 1;
	pid_t child;
	char byte = 0;

	for (int i = 0; i < REGIONS; i++)
		inherited[i] = leak_first(4);
	reserved = mmap(NULL, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (reserved == MAP_FAILED || pipe(turn))
		return 1;
	child = fork();
	if (!child)
		return read(turn[0], &byte, 1) != 1 || child_changes();
	parent_changes();
	if (write(turn[1], &byte, 1) != 1 || waitpid(child, &status, 0) != child)
		return 1;
	return status != 0;
}

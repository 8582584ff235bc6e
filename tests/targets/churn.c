// SPDX-License-Identifier: MIT
/*
 * churn EVENTS LIVE PATHS - EVENTS times a block is freed and another one allocated,
 * with LIVE blocks at a time, each from one of PATHS call paths in turn. The blocks
 * that are live at the end stay.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void *leak_block(size_t size)
{
	return malloc(size);
}

/* Each bit of @path chooses one of two call sites, so that each path is a stack of its own. */
static void *descend(unsigned long path, int levels, size_t size)
{
	void *volatile p;

	if (!levels)
		p = leak_block(size);
	else if (path & 1)
		p = descend(path >> 1, levels - 1, size);
	else
		p = descend(path >> 1, levels - 1, size);
	return p;
}

int main(int argc, char **argv)
{
	unsigned long events = argc > 3 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long live = argc > 3 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned long paths = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	static void *slots[1 << 16];
	uint64_t random = 1;
	int levels = 0;

	if (!live || live > 1 << 16 || !paths)
		return 2;
	while (1ul << levels < paths)
		levels++;
	for (unsigned long i = 0; i < events; i++) {
		void **slot;

		random = random * 6364136223846793005u + 1442695040888963407u;
		slot = &slots[i < live ? i : (random >> 40) % live];
		free(*slot);
		*slot = descend(i % paths, levels, 16 + (random >> 20) % 500);
	}
	return 0;
}

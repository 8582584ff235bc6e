// SPDX-License-Identifier: MIT
/*
 * sampled - loses a known mix of sizes, in which small blocks and large ones both
 * matter, and prints how many blocks and bytes.
 */
#include <stdio.h>
#include <stdlib.h>

static const struct {
	size_t size;
	int count;
} mix[] = { { 16, 300000 }, { 250, 120000 }, { 4096, 6000 }, { 100000, 300 }, { 20 << 20, 3 } };

enum { CLASSES = sizeof(mix) / sizeof(mix[0]), TURNS = 10 };

static void *leak_block(size_t size)
{
	return malloc(size);
}

static void *tidy_block(size_t size)
{
	return malloc(size);
}

int main(void)
{
	unsigned long long count = 0, bytes = 0;

	for (int turn = 0; turn < TURNS; turn++) {
		for (int c = 0; c < CLASSES; c++) {
			for (int i = turn; i < mix[c].count; i += TURNS) {
				void *gone = tidy_block(mix[c].size);

				leak_block(mix[c].size);
				free(gone);
				count++;
				bytes += mix[c].size;
			}
		}
	}
	printf("%llu %llu\n", count, bytes);
	return 0;
}

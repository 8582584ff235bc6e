// SPDX-License-Identifier: MIT
/* busy.c - allocates and frees all the time, and keeps one block of 96 bytes in 100: busy N */
#include <stdio.h>
#include <stdlib.h>

static void *volatile kept;

static void keep(void)
{
	kept = malloc(96);
}

static void churn(long i)
{
	void *volatile p = malloc(100 + (size_t)(i % 1000));

	free(p);
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 1000;

	for (long i = 0; i < n; i++) {
		churn(i);
		if (i % 100 == 0)
			keep();
	}
	return 0;
}

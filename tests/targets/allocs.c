// SPDX-License-Identifier: MIT
/*
 * allocs [seconds] - the program of `make demo`: leaky() loses 16 bytes at a time,
 * tidy() gives back what it takes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *volatile lost;

static void leaky(void)
{
	lost = malloc(16);
	if (lost)
		strcpy(lost, "forgotten");
}

static size_t tidy(int n)
{
	size_t len = 0;
	char *text = malloc(64);

	if (text)
		len = (size_t)snprintf(text, 64, "round %d", n);
	free(text);
	return len;
}

int main(int argc, char **argv)
{
	int rounds = 10 * (argc > 1 ? atoi(argv[1]) : 5);

	for (int i = 0; i < rounds; i++) {
		leaky();
		for (int j = 0; j < 100; j++)
			tidy(j);
		usleep(100000);
	}
	return 0;
}

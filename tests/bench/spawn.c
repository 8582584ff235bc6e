// SPDX-License-Identifier: MIT
/*
 * spawn.c - how long a short program takes from posix_spawn to its end:
 *	spawn ROUNDS PROGRAM [-- NAME=VALUE...]...
 *
 * Each group behind a "--" is an environment; the program runs in each of them in
 * turn. Prints a line for each: the least and the median time, in microseconds.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define GROUPS 8

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* Negative: it failed. */
static double run(char **argv, char **envp)
{
	double start = now_us();
	int status;
	pid_t pid;

	if (posix_spawn(&pid, argv[0], NULL, NULL, argv, envp) || waitpid(pid, &status, 0) != pid ||
	    status)
		return -1;
	return now_us() - start;
}

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
	char **environments[GROUPS], *program[2] = { NULL, NULL };
	int groups = 0, rounds = argc > 2 ? atoi(argv[1]) : 0;
	double *times;

	if (rounds < 1)
		return 2;
	program[0] = argv[2];
	for (int i = 3; i < argc && groups < GROUPS; i++) {
		if (strcmp(argv[i], "--"))
			continue;
		argv[i] = NULL;	/* ends the group before */
		environments[groups++] = &argv[i + 1];
	}
	times = calloc((size_t)groups * (size_t)rounds, sizeof(*times));
	for (int r = 0; times && r < rounds; r++)
		for (int g = 0; g < groups; g++) {
			times[g * rounds + r] = run(program, environments[g]);
			if (times[g * rounds + r] < 0)
				return 1;
		}
	for (int g = 0; times && g < groups; g++) {
		qsort(&times[g * rounds], (size_t)rounds, sizeof(*times), ascending);
		printf("%.1f %.1f\n", times[g * rounds], times[g * rounds + rounds / 2]);
	}
	free(times);
	return !times;
}

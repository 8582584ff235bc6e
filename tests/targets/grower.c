// SPDX-License-Identifier: MIT
/*
 * grower.c - leaks 1000 bytes with each byte that it reads from standard input, from
 * grow(), beside a block that it keeps from the start, of steady().
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *volatile last;

__attribute__((noinline)) static void steady(void)
{
	last = malloc(5000);
}

__attribute__((noinline)) static void grow(void)
{
	last = malloc(1000);
}

int main(void)
{
	char byte;

	steady();
	while (read(STDIN_FILENO, &byte, 1) == 1)
		grow();
	return 0;
}

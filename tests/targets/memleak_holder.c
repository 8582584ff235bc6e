// SPDX-License-Identifier: MIT
/* memleak_holder BYTES - holds a block of that size until a byte comes on stdin. */
#include <stdlib.h>
#include <unistd.h>

static void *volatile held;

int main(int argc, char **argv)
{
	char byte;

	held = malloc(argc > 1 ? strtoul(argv[1], NULL, 10) : 1);
	return read(STDIN_FILENO, &byte, 1) < 0;
}

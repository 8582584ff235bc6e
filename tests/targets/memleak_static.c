// SPDX-License-Identifier: MIT
/* memleak_static - linked statically: nothing can be preloaded into it. Ends with its input. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
	char byte;

	free(malloc(100));
	puts("static ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0 && byte != '.')
		;
	return 0;
}

// SPDX-License-Identifier: MIT
/* libstuck.so - its constructor writes a byte to the descriptor in $STUCK, and never returns. */
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void stay(void)
{
	const char *fd = getenv("STUCK");

	if (fd && write(atoi(fd), "x", 1) == 1)
		for (;;)
			pause();
}

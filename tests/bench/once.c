// SPDX-License-Identifier: MIT
/* once.c - allocates one block: the least program that has something to record. */
#include <stdlib.h>

int main(void)
{
	void *volatile p = malloc(16);

	return !p;
}

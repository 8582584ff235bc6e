// SPDX-License-Identifier: MIT
/* memleak_static - linked statically: nothing can be preloaded into it. */
#include <stdlib.h>

int main(void)
{
	free(malloc(100));
	return 0;
}

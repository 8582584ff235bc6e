// SPDX-License-Identifier: MIT
/* bare PROGRAM [ARGUMENT]... - runs it with the descriptors 0 to 255 closed. */
#include <unistd.h>

int main(int argc, char **argv)
{
	for (int fd = 0; fd < 256; fd++)
		close(fd);
	return argc > 1 ? execv(argv[1], argv + 1) : 2;
}

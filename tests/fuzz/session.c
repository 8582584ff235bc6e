// SPDX-License-Identifier: MIT
/* libFuzzer target: any bytes as a session, through the reader, the merge and the printers. */
#define _GNU_SOURCE 1
#include "common/io.h"
#include "tests/support/exercise.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	int fd = memfd_create("session", MFD_CLOEXEC);

	if (fd < 0 || io_write_all(fd, data, size))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	exercise_session(path);
	close(fd);
	return 0;
}

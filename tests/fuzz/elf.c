// SPDX-License-Identifier: MIT
/* libFuzzer target: any bytes as a module's file, looked up at a few addresses. */
#define _GNU_SOURCE 1
#include "common/io.h"
#include "report/symbolize.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct symbolizer *sym = symbolizer_new(NULL);
	char path[64];
	int fd = memfd_create("module", MFD_CLOEXEC);
	uint32_t module;

	if (!sym || fd < 0 || io_write_all(fd, data, size))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	module = symbolizer_module(sym, path, NULL, 0);
	for (uint64_t addr = 0x1000; addr < 0x2000; addr += 0x20)
		symbolizer_address(sym, module, addr, false);
	symbolizer_resolve(sym, NULL, NULL);
	symbolizer_free(sym);
	close(fd);
	return 0;
}

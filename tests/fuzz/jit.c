// SPDX-License-Identifier: MIT
/* libFuzzer target: any bytes as the map of a just-in-time compiler. */
#define _GNU_SOURCE 1
#include "common/io.h"
#include "report/jit_map.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PID = 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char root[] = "/tmp/fuzz-jit.XXXXXX", path[64];

static void clean_up(void)
{
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	rmdir(root);
}

static void make_root(void)
{
	if (!mkdtemp(root))
		abort();
	snprintf(path, sizeof(path), "%s/tmp", root);
	if (mkdir(path, 0700))
		abort();
	snprintf(path, sizeof(path), "%s/tmp/perf-%d.map", root, PID);
	atexit(clean_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jit_map *map;
	uint64_t start;
	int fd;

	if (!*path)
		make_root();
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || io_write_all(fd, data, size))
		abort();
	close(fd);
	map = jit_map_read(root, PID, getuid(), 0);
	if (!map)
		abort();
	for (uint64_t addr = 0; addr < 0x10000; addr += 0x111)
		if (jit_map_find(map, addr, &start) && start > addr)
			abort();
	jit_map_free(map);
	return 0;
}

// SPDX-License-Identifier: MIT
/* seeds.c - writes the sessions that fuzzing starts from into a directory. */
#define _GNU_SOURCE 1
#include "tests/support/sample.h"

#include <stdio.h>
#include <string.h>

static int write_seed(const char *dir, const char *name, int (*make)(const char *path))
{
	char path[4096];
	int err;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	err = make(path);
	if (err)
		fprintf(stderr, "%s: %s\n", path, strerror(-err));
	return err;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: seeds DIRECTORY\n", stderr);
		return 2;
	}
	return write_seed(argv[1], "process", sample_process) ||
	       write_seed(argv[1], "extended", sample_extended) ||
	       write_seed(argv[1], "kernel", sample_kernel);
}

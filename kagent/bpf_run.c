// SPDX-License-Identifier: MIT
/* bpf_run.c - BPF_PROG_RUN, and facts that such programs are told. */
#include "kagent/bpf_run.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

int bpf_run(const struct bpf_program *prog, void *args, size_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = size);
	int err = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);

	return err ? -errno : 0;
}

uint32_t possible_nodes(void)
{
	FILE *f = fopen("/sys/devices/system/node/possible", "re");
	unsigned first, last;
	uint32_t nodes = 1;

	if (f && fscanf(f, "%u-%u", &first, &last) == 2 && last < 1024)
		nodes = last + 1;
	if (f)
		fclose(f);
	return nodes;
}

uint32_t page_shift(void)
{
	long size = sysconf(_SC_PAGESIZE);
	uint32_t shift = 0;

	while (size >> (shift + 1))
		shift++;
	return shift;
}

// SPDX-License-Identifier: MIT
/* bpf_run.h - running a SEC("syscall") program once. */
#ifndef KAGENT_BPF_RUN_H
#define KAGENT_BPF_RUN_H

#include <bpf/libbpf.h>
#include <stddef.h>
#include <stdint.h>

/* Runs it with args as its context. 0 or -errno. */
int bpf_run(const struct bpf_program *prog, void *args, size_t size);

/* Possible NUMA nodes. */
uint32_t possible_nodes(void);

/* log2 of the page size. */
uint32_t page_shift(void);

#endif

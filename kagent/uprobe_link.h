// SPDX-License-Identifier: MIT
/*
 * uprobe_link.h - probes on many functions of a file by one BPF link (Linux 6.6),
 * of which the program sees call and return (6.13). libbpf has no call for them
 * before its version 1.3.
 */
#ifndef KAGENT_UPROBE_LINK_H
#define KAGENT_UPROBE_LINK_H

#include <stdint.h>
#include <sys/types.h>

/* What a program has to be loaded as; 0: the running kernel does not have it. */
struct uprobe_link_types {
	uint32_t plain, session;
};
void uprobe_link_types(struct uprobe_link_types *types);

/*
 * type: as above, and as the program was loaded. The link's descriptor (closing it
 * removes the probes) or -errno.
 */
int uprobe_link(int program, uint32_t type, const char *path, pid_t pid, const uint64_t *offsets,
		const uint64_t *cookies, uint32_t count);

#endif

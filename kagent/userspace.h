// SPDX-License-Identifier: MIT
/*
 * userspace.h - the code of the processes whose user stacks are recorded.
 *
 * Stacks of many processes share one session, but their addresses mean different
 * things. So each address is translated, while the process lives, to one in an
 * address space of the capture's own, where every distinct file (path and
 * build-id) has its own 4 GiB. One thread at a time.
 */
#ifndef KAGENT_USERSPACE_H
#define KAGENT_USERSPACE_H

#include <stddef.h>
#include <stdint.h>

struct userspace;

struct user_module {
	const char *path;
	uint64_t start, end;		/* in the capture's address space */
	const uint8_t *build_id;
	uint32_t build_id_len;
};

int userspace_open(const char *proc, struct userspace **out);	/* "/proc" */
void userspace_close(struct userspace *u);	/* NULL is allowed */

/* Forgets the address spaces that were read; known modules stay. */
void userspace_new_round(struct userspace *u);

/*
 * The translated address; one that is in no file stays as it is, and so does
 * everything of a process that is gone.
 */
uint64_t userspace_translate(struct userspace *u, uint32_t pid, uint64_t addr);

size_t userspace_module_count(const struct userspace *u);
struct user_module userspace_module(const struct userspace *u, size_t i);

#endif

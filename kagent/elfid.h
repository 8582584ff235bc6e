// SPDX-License-Identifier: MIT
/* elfid.h - what an ELF file says of itself: build-id and where its segments lie. */
#ifndef KAGENT_ELFID_H
#define KAGENT_ELFID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELFID_SEGMENTS	16
#define ELFID_BUILD_ID	32

struct elfid {
	uint8_t build_id[ELFID_BUILD_ID];
	uint32_t build_id_len;		/* 0: none */
	uint32_t segments;
	struct {
		uint64_t offset, vaddr, size;
		bool executable;
	} segment[ELFID_SEGMENTS];
};

/* Reads a 64-bit ELF file of this byte order. 0, -ENOEXEC: no such file, or -errno. */
int elfid_read(const char *path, struct elfid *out);

/* The address in the file's own terms of a byte at a file offset; UINT64_MAX: in no segment. */
uint64_t elfid_vaddr(const struct elfid *e, uint64_t offset);

#endif

// SPDX-License-Identifier: MIT
/*
 * shm.h - the session file as libleak.so writes it: growing sections in shared
 * memory, without keeping a file descriptor.
 *
 * The program may close every descriptor and open its own files under the same
 * numbers, so none is kept. The file is made as large as it may ever become
 * (sparse), mapped once, and closed. The sections that every session has begin
 * with a page each, behind the header. A section grows by taking the next pages of
 * that mapping: mremap with an old size of 0 maps the same pages a second time,
 * behind the section's last ones, so that every section is one flat array. The
 * first time, it moves to address space of its own; its old pages stay where they
 * were, too, so that a thread that still uses the old address is right.
 *
 * Before they are touched, pages are reserved with MADV_POPULATE_WRITE (Linux
 * 5.14), which fails where a store would raise SIGBUS (file system full); on
 * older kernels with posix_fallocate on the re-opened file. That is done a few
 * pages at a time: extents are larger than what is used of them. From 2 MiB on,
 * the extents of a section begin and end at multiples of that in the file and in
 * memory, so that one huge page after another can be had (huge.h).
 *
 * What is not a section yet cannot be accessed, so that mlockall() does not fill
 * the file, and nothing of the session is in a core dump.
 *
 * Calls are serialised by the caller (recorder's growth lock).
 */
#ifndef PRELOAD_SHM_H
#define PRELOAD_SHM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../common/session_format.h"

#define SHM_PATH_MAX 1024

struct shm_section {
	char *base;		/* start of the flat array; changes when the section grows */
	uint64_t reserved;	/* bytes that it may grow to */
	uint64_t mapped;	/* bytes in extents */
	uint64_t committed;	/* bytes that may be touched */
	uint64_t file_end;	/* of the last extent */
	char *arena;		/* its address space, once it has more than a page */
};

struct shm {
	struct session_header *hdr;	/* also the start of the file's mapping */
	uint64_t file_bytes;		/* size of the mapping */
	char *arena;			/* address space of all sections that have grown */
	uint64_t arena_bytes;
	struct shm_section sect[SECT_MAX];
	uint64_t hole, hole_end;	/* bytes of the file that no section has; see shm.c */
	uint64_t dev, ino;
	bool frozen;			/* never grows again */
	char path[SHM_PATH_MAX];
};

/*
 * Creates @path (O_EXCL) for sections of together at most @max_bytes, less when
 * a resource limit or the file system says so. Fills the fixed part of the
 * header. 0 or -errno; on failure nothing is left behind.
 */
int shm_create(struct shm *s, const char *path, uint64_t max_bytes);

/*
 * Makes at least @bytes of section @id usable. 0, -ENOSPC or -EFBIG. The base may move;
 * errno stays.
 */
int shm_grow(struct shm *s, int id, uint64_t bytes);

/* Cuts the file to its used size. Quietly does nothing when the path now names another file. */
void shm_trim(const struct shm *s);

/* Removes the file, if the path still names it. */
void shm_remove(const struct shm *s);

/* Makes the file another user's, if the path still names it. 0 or -errno. */
int shm_give(const struct shm *s, uid_t owner);

/* Unmaps everything; the file stays. */
void shm_unmap(struct shm *s);

#endif

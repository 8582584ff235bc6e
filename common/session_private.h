// SPDX-License-Identifier: MIT
/* session_private.h - what the files of the session reader share; not for its users. */
#ifndef COMMON_SESSION_PRIVATE_H
#define COMMON_SESSION_PRIVATE_H

#include "common/session_reader.h"

/* A validated extent, in bytes. */
struct extent {
	uint64_t offset, bytes;
	uint32_t section;
};

/* The file as one refresh saw it: which bytes of which section are there. */
struct view {
	struct session_header header;
	struct extent extents[SESSION_MAX_EXTENTS];
	uint32_t extent_count;
	uint64_t file_size;
	uint64_t used[SECT_MAX];	/* entries, within the extents */
	bool truncated, corrupt;
};

/* A section kept in memory: count entries of the size this reader knows. */
struct table {
	char *data;
	uint64_t count;
};

struct session {
	int fd;
	char *name;
	struct view view;
	struct table tables[SECT_MAX];
	uint32_t *modules_by_start;	/* see session_modules.c */
	struct session_damage damage;
};

/* Reads bytes [from, from + len) of a section, which lie within its extents. 0 or -errno. */
int session_read_section(const struct view *v, int fd, uint32_t id, uint64_t from, void *buf,
			 uint64_t len);

/* SECT_MODULES as an array, entry 0 ("none") included. */
const struct session_module *session_module_table(const struct session *s);

/* The modules of a table, none included, in the order of look-ups; NULL without memory. */
uint32_t *session_sort_modules(const struct session_module *modules, uint64_t count);

/*
 * The first byte of a section at or behind `from` that may be other than zero:
 * holes of a sparse file are skipped, however large a hostile header makes them.
 */
uint64_t session_skip_hole(const struct view *v, int fd, uint32_t id, uint64_t from);

#endif

// SPDX-License-Identifier: MIT
/*
 * process_image.h - the program that one process runs: who it is, and what it has
 * mapped, as a session tells it. Sources: proc(5), elf(5).
 *
 * One thread at a time. What another process has mapped is not to be trusted.
 */
#ifndef KAGENT_PROCESS_IMAGE_H
#define KAGENT_PROCESS_IMAGE_H

#include "common/session_writer.h"
#include "kagent/elfid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct image_module {
	char *path;		/* as the process sees it */
	uint64_t start, end, bias;
	struct elfid elf;
	uint32_t first_epoch, end_epoch;	/* end 0: still mapped */
	uint64_t first_map, first_map_end;	/* of its mappings, as in /proc/PID/maps */
	uint32_t written;	/* in the session, 0: not yet */
	bool program;
	bool quiet;		/* see struct ku_object */
	bool symbols_tried, rows_tried;
	uint32_t first_row, row_count;	/* see code_layouts.h; count 0: none */
	struct elf_symbols *symbols;
};

struct process_image {
	pid_t pid;
	char *program;		/* of a process that is to execute it; NULL: what it runs */
	struct image_module *modules;
	size_t count, room;
	uint32_t epoch;
};

/*
 * Brings the modules up to date: what another one has been mapped over ends, and the
 * epoch advances. 0 or -errno: -ESRCH when the process has gone; what is known stays.
 */
int process_image_look(struct process_image *p);

/*
 * The program was mapped with its code at start_code: for processes that may be gone
 * before they can be looked at. 0 or -errno.
 */
int process_image_place(struct process_image *p, const char *path, uint64_t start_code);

/* Is this code where the C library begins programs and threads? False if it can't be told. */
bool process_image_is_root(struct process_image *p, uint64_t addr);

/* The module that lies at an address now; NULL: none. */
struct image_module *process_image_find(const struct process_image *p, uint64_t addr);

/* A forked child's begins as its parent's. 0 or -ENOMEM. */
int process_image_copy(const struct process_image *from, pid_t pid, struct process_image *to);

void process_image_free(struct process_image *p);

/* Where a module can be opened, whatever happened to its name meanwhile. */
void process_image_file(const struct process_image *p, const struct image_module *m,
			char path[4096]);

/* The name of what it executes, without directory: as it is now, or was when it was remembered. */
void process_image_program(const struct process_image *p, char *name, size_t size);
void process_image_remember_program(struct process_image *p);

/* Who the process is, as far as it can still be told; cmdline is kept if it can't. */
void process_image_identify(const struct process_image *p, struct session_writer *w);

/* Adds the modules that the session does not have yet, and the ends of those that it has. */
void process_image_write(struct process_image *p, struct session_writer *w);

#endif

// SPDX-License-Identifier: MIT
/*
 * symbolize.h - names, source lines and inlined functions of code addresses.
 *
 * A location is an address within a module, whatever address the module had in
 * some process: sessions of many runs share locations, and each is looked up
 * once, however often it occurs. A symbolizer may live as long as a command
 * does; what it has learnt is kept between reports.
 *
 * Module files are only believed when their build-id is the recorded one;
 * else a debug file of that build-id under /usr/lib/debug is tried. An address
 * in a module that can't be had stays "module+0xoffset".
 *
 * Not thread-safe. Ids count from 1; 0 means "none", and is what calls that add
 * something return when there is no memory. Strings live as long as the symbolizer.
 */
#ifndef REPORT_SYMBOLIZE_H
#define REPORT_SYMBOLIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbolizer;

/* One function at a location. */
struct symbol_frame {
	const char *function;	/* demangled; NULL: unknown */
	const char *module;	/* file name without directory, "kernel"; "": none */
	const char *file;	/* source; NULL: unknown */
	uint32_t line;		/* 0: unknown */
	uint32_t flags;		/* FRAME_* */
	uint32_t module_id;	/* 0: none */
	uint64_t offset;	/* in the function; without one: in the module; without that: the address */
	uint64_t address;	/* in the module's file; without a module: in the process or kernel */
};
#define FRAME_INLINED	1u
#define FRAME_KERNEL	2u

enum symbol_status {
	SYMBOLS_UNUSED = 0,	/* not looked up */
	SYMBOLS_FOUND,
	SYMBOLS_DEBUG_FILE,	/* from a debug file only; the module itself was no longer there */
	SYMBOLS_MISSING,	/* no such file (any more) */
	SYMBOLS_MISMATCH,	/* the file at that path has another build-id */
	SYMBOLS_BROKEN,		/* no ELF file that could be read */
	SYMBOLS_VIRTUAL,	/* vdso and the like: there is no file */
};

#define SYMBOL_BUILD_ID_MAX 32u
struct symbol_module {
	const char *path;
	const char *name;	/* without directory */
	uint32_t build_id_len;
	uint8_t build_id[SYMBOL_BUILD_ID_MAX];
	const char *release;	/* of the kernel that it is of, "": unknown */
	bool kernel;
	enum symbol_status status;
	uint32_t locations;	/* that were looked up in it */
};

/*
 * sysroot: where the file systems of the recorded process are to be found
 * (/proc/PID/root, an unpacked image); NULL: here. NULL is returned without memory.
 */
struct symbolizer *symbolizer_new(const char *sysroot);
void symbolizer_free(struct symbolizer *sym);	/* NULL is allowed */
const char *symbolizer_sysroot(const struct symbolizer *sym);	/* "": here */

/* The id of a module; equal ones (same build-id and name, or same path) are one. */
uint32_t symbolizer_module(struct symbolizer *sym, const char *path, const uint8_t *build_id,
			   size_t build_id_len);

/*
 * The kernel (name NULL) or a kernel module, whose symbols come with each location. Those
 * of another release (uname(2), "": unknown) are another build of it.
 */
uint32_t symbolizer_kernel_module(struct symbolizer *sym, const char *name, const char *release);

/* NULL for ids that don't exist. */
const struct symbol_module *symbolizer_module_info(const struct symbolizer *sym, uint32_t id);
uint32_t symbolizer_module_count(const struct symbolizer *sym);	/* ids are 1..count */

/*
 * The location of an address in a module's file. Return addresses are looked
 * up one byte before, as the call may be its function's last instruction; exact ones aren't.
 * Module 0: an address that belongs to no file.
 */
uint32_t symbolizer_address(struct symbolizer *sym, uint32_t module, uint64_t addr, bool exact);

/* A location whose symbol is known already. file may be NULL. */
uint32_t symbolizer_named(struct symbolizer *sym, uint32_t module, const char *function,
			  uint64_t offset, uint64_t addr, const char *file, uint32_t line);

/* Called now and then while locations are looked up. */
typedef void symbol_progress_fn(void *arg, size_t done, size_t total);

/* Looks up all locations that were added since the last call. 0 or -ENOMEM. */
int symbolizer_resolve(struct symbolizer *sym, symbol_progress_fn *progress, void *arg);

/* The functions at a resolved location, inlined ones first; *count is at least 1. */
const struct symbol_frame *symbolizer_frames(const struct symbolizer *sym, uint32_t location,
					     size_t *count);

/* What a fingerprint is made of: equal for one function in each build of a program. */
uint64_t symbolizer_stable_hash(const struct symbolizer *sym, uint32_t location);

/* Equal for locations that a report shows alike: same modules, functions and lines. */
uint64_t symbolizer_text_hash(const struct symbolizer *sym, uint32_t location);

uint32_t symbolizer_location_count(const struct symbolizer *sym);	/* ids are 1..count */

/* The module of a location; 0: none. */
uint32_t symbolizer_location_module(const struct symbolizer *sym, uint32_t location);

/* A copy of s that lives as long as the symbolizer; NULL without memory. */
const char *symbolizer_string(struct symbolizer *sym, const char *s);

#endif

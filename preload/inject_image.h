// SPDX-License-Identifier: MIT
/*
 * inject_image.h - the ELF objects mapped into another process and their
 * dynamic symbols, read from its memory.
 *
 * Nothing is read from files: what is mapped is what will be called, also when
 * the file was deleted, replaced by an upgrade, or lies in another mount
 * namespace. The process may be running; everything read is checked as
 * untrusted. Sources: ELF gABI ch. 5, the GNU hash section (binutils), proc(5).
 *
 * Not thread-safe.
 */
#ifndef PRELOAD_INJECT_IMAGE_H
#define PRELOAD_INJECT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct image;

/* A symbol that the object defines, address in the target's memory. */
struct image_symbol {
	uint64_t addr, size;
	const char *name;
	bool ifunc;
};

struct image_object {
	char *path;			/* as in /proc/PID/maps; "" for anonymous */
	uint64_t start, end;		/* mapped range */
	uint64_t bias;			/* memory address - ELF address */
	uint64_t text_start, text_end;	/* the executable segment */
	uint64_t unwind_table;		/* .eh_frame_hdr, 0: none */
	bool deleted;
	bool go;			/* made by the Go compiler, at least in part */
	size_t symbol_count;		/* functions and variables, ascending by addr */
	struct image_symbol *symbols;
	char *strings;			/* owner of their names */
};

/*
 * Takes a picture of the process. `mem` is /proc/PID/mem, kept by the caller
 * while the image lives. 0; -errno of what could not be read.
 */
int image_load(struct image **out, pid_t pid, int mem);
void image_free(struct image *image);

/* The object that address lies in, or NULL. */
const struct image_object *image_at(const struct image *image, uint64_t addr);

/* The n-th object, or NULL: ascending by address. */
const struct image_object *image_object(const struct image *image, size_t n);

/* Address of what the object defines by that name, 0 if nothing (or an IFUNC). */
uint64_t image_function(const struct image_object *object, const char *name);

/* Does it hold code made by the Go compiler, which runs on stacks of its own making? */
bool image_has_go(const struct image *image);

/*
 * Is one of the notes at addr the Go toolchain's (its build id)? `mem` may as well be
 * an ELF file, addr an offset in it then.
 */
bool image_is_go_note(int mem, uint64_t addr, uint64_t size);

/* The dynamic loader, 0 for a static program. The main program's first entry. */
uint64_t image_loader_base(const struct image *image);
uint64_t image_entry(const struct image *image);

/*
 * Reads or writes the target's memory whole: 0, or -errno (-EFAULT when part of
 * it is not mapped).
 */
int image_read(int mem, uint64_t addr, void *buf, size_t len);
int image_write(int mem, uint64_t addr, const void *buf, size_t len);

#endif

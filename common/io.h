// SPDX-License-Identifier: MIT
/*
 * io.h - reading and writing files whole.
 *
 * All calls retry after signals and return 0 or a count, or -errno.
 */
#ifndef COMMON_IO_H
#define COMMON_IO_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Writes all of buf at the file position / at offset. 0 or -errno. */
int io_write_all(int fd, const void *buf, size_t len);
int io_pwrite_all(int fd, const void *buf, size_t len, uint64_t offset);

/* Reads up to len bytes at offset; fewer only at the end of the file. Bytes read or -errno. */
ssize_t io_pread(int fd, void *buf, size_t len, uint64_t offset);

/*
 * Reads a whole text file (at most `limit` bytes) and adds a NUL. The caller
 * frees *text. 0 or -errno (-EFBIG: larger than limit); outputs untouched on failure.
 */
int io_read_file(const char *path, size_t limit, char **text, size_t *len);

/*
 * An output file that appears whole or not at all: it is written under a
 * temporary name beside its own, and renamed when committed. The path "-" is
 * standard output, which is only flushed; so is what is no regular file
 * (a pipe, /dev/null), which is written directly.
 */
struct io_output;

/* Opens *out for writing; 0 or -errno. */
int io_output_open(const char *path, struct io_output **out);

/* The stream to print to; owned by the output. */
FILE *io_output_file(struct io_output *out);

/*
 * Closes the output and gives it its name. 0, or -errno when anything that was
 * written did not reach the file, which then does not appear. Frees out.
 */
int io_output_commit(struct io_output *out);

/* Drops what was written. Frees out; NULL is allowed. */
void io_output_abort(struct io_output *out);

#endif

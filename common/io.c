// SPDX-License-Identifier: MIT
/* io.c - reading and writing files whole. */
#define _GNU_SOURCE 1
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct io_output {
	FILE *file;
	char *path;
	char *temp;		/* NULL: written directly */
	bool is_stdout;
};

int io_write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int io_pwrite_all(int fd, const void *buf, size_t len, uint64_t offset)
{
	const char *p = buf;

	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)offset);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
			offset += (uint64_t)n;
		}
	}
	return 0;
}

ssize_t io_pread(int fd, void *buf, size_t len, uint64_t offset)
{
	char *p = buf;
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, p + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int read_stream(int fd, size_t limit, char **text, size_t *len)
{
	size_t size = 0, room = 0;
	char *buf = NULL;

	for (;;) {
		if (room - size < 2) {
			size_t bigger = room ? room * 2 : 4096;
			char *p = realloc(buf, bigger);

			if (!p) {
				free(buf);
				return -ENOMEM;
			}
			buf = p;
			room = bigger;
		}
		ssize_t n = read(fd, buf + size, room - size - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || size + (size_t)n > limit) {
			int err = n < 0 ? -errno : n ? -EFBIG : 0;

			buf[size] = 0;
			if (err) {
				free(buf);
				return err;
			}
			*text = buf;
			*len = size;
			return 0;
		}
		size += (size_t)n;
	}
}

int io_read_file(const char *path, size_t limit, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = read_stream(fd, limit, text, len);
	close(fd);
	return err;
}

/* An existing path that is no regular file must be written through, not replaced. */
static bool writes_through(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISREG(st.st_mode);
}

/* A new file beside the path, with the mode that the path itself would get. */
static int open_temp(struct io_output *o)
{
	for (unsigned int i = 0; i < 100; i++) {
		int fd;

		if (asprintf(&o->temp, "%s.tmp%d-%u", o->path, (int)getpid(), i) < 0) {
			o->temp = NULL;
			return -ENOMEM;
		}
		fd = open(o->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd >= 0)
			return fd;
		fd = -errno;
		free(o->temp);
		o->temp = NULL;
		if (fd != -EEXIST)
			return fd;
	}
	return -EEXIST;
}

static int open_through(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_named(struct io_output *o, const char *path)
{
	int fd, err;

	o->path = strdup(path);
	if (!o->path)
		return -ENOMEM;
	fd = writes_through(path) ? open_through(path) : open_temp(o);
	if (fd < 0)
		return fd;
	o->file = fdopen(fd, "w");
	if (o->file)
		return 0;
	err = -errno;
	close(fd);
	return err;
}

int io_output_open(const char *path, struct io_output **out)
{
	struct io_output *o = calloc(1, sizeof(*o));
	int err = 0;

	if (!o)
		return -ENOMEM;
	if (!strcmp(path, "-")) {
		o->is_stdout = true;
		o->file = stdout;
	} else {
		err = open_named(o, path);
	}
	if (err) {
		io_output_abort(o);
		return err;
	}
	*out = o;
	return 0;
}

FILE *io_output_file(struct io_output *out)
{
	return out->file;
}

/* Why the stream has failed, which may have been long ago: it fails once more. */
static int stream_error(struct io_output *o)
{
	errno = EIO;
	if (o->temp)
		fputc('\n', o->file);
	return fflush(o->file) ? -errno : -EIO;
}

static int finish_file(struct io_output *o)
{
	int err = ferror(o->file) || fflush(o->file) ? stream_error(o) : 0;

	if (!o->is_stdout) {
		if (fclose(o->file) && !err)
			err = -errno;
		o->file = NULL;
	}
	return err;
}

int io_output_commit(struct io_output *out)
{
	int err = finish_file(out);

	if (!err && out->temp) {
		if (rename(out->temp, out->path))
			err = -errno;
		else {
			free(out->temp);
			out->temp = NULL;
		}
	}
	io_output_abort(out);
	return err;
}

void io_output_abort(struct io_output *out)
{
	if (!out)
		return;
	if (out->file && !out->is_stdout)
		fclose(out->file);
	if (out->temp)
		unlink(out->temp);
	free(out->temp);
	free(out->path);
	free(out);
}

// SPDX-License-Identifier: MIT
/* jit_map.c - names of code that a process has made itself. */
#define _GNU_SOURCE 1
#include "report/jit_map.h"

#include "common/array.h"
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of longer files the beginning is left out: what counts is at the end. */
#define FILE_MAX (32u << 20)

/* Longer names are cut. */
#define NAME_MAX_BYTES 4096u

/* Functions that begin before the one looked at may be longer; so many are asked. */
#define LOOK_BACK 16

struct function {
	uint64_t start, size;
	const char *name;
	size_t line;		/* of two at the same place the later one counts */
};

struct jit_map {
	char *text;
	struct function *functions;	/* by start, then line */
	size_t count, room;
};

static bool believed(const struct stat *st, uid_t uid, time_t since)
{
	return S_ISREG(st->st_mode) && st->st_mtime >= since &&
	       (st->st_uid == 0 || st->st_uid == uid || st->st_uid == geteuid());
}

/* The file's text, ended by a NUL. NULL: not to be had. */
static char *read_text(int fd, const struct stat *st)
{
	uint64_t from = st->st_size > FILE_MAX ? (uint64_t)st->st_size - FILE_MAX : 0;
	size_t want = (size_t)((uint64_t)st->st_size - from);
	char *text = malloc(want + 1);
	ssize_t n = text ? io_pread(fd, text, want, from) : -ENOMEM;

	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

/* "START SIZE NAME", hexadecimal; the name may hold blanks. */
static bool parse_line(char *line, struct function *f)
{
	char *end;

	f->start = strtoull(line, &end, 16);
	if (end == line || *end != ' ')
		return false;
	line = end + 1;
	f->size = strtoull(line, &end, 16);
	if (end == line || *end != ' ' || !end[1] || !f->size)
		return false;
	f->name = end + 1;
	end[1 + strnlen(end + 1, NAME_MAX_BYTES)] = '\0';
	return true;
}

static int add_line(struct jit_map *map, char *line, size_t number)
{
	struct function f = { .line = number }, *functions;

	if (!parse_line(line, &f))
		return 0;
	functions = array_grow(map->functions, map->count, &map->room, sizeof(*functions));
	if (!functions)
		return -ENOMEM;
	map->functions = functions;
	functions[map->count++] = f;
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->line > y->line) - (x->line < y->line);
}

static int parse(struct jit_map *map)
{
	size_t number = 0;
	char *next;

	for (char *line = map->text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (add_line(map, line, number++))
			return -ENOMEM;
	}
	if (map->count)
		qsort(map->functions, map->count, sizeof(*map->functions), by_start);
	return 0;
}

struct jit_map *jit_map_read(const char *root, uint32_t pid, uid_t uid, time_t since)
{
	struct jit_map *map = calloc(1, sizeof(*map));
	char *path;
	struct stat st;
	int fd = -1;

	if (asprintf(&path, "%s/tmp/perf-%u.map", root, pid) < 0)
		path = NULL;
	/* (a FIFO or a link of that name may be anybody's) */
	if (map && path)
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd >= 0) {
		if (!fstat(fd, &st) && believed(&st, uid, since))
			map->text = read_text(fd, &st);
		close(fd);
	}
	free(path);
	if (map && map->text && !parse(map))
		return map;
	jit_map_free(map);
	return NULL;
}

void jit_map_free(struct jit_map *map)
{
	if (!map)
		return;
	free(map->functions);
	free(map->text);
	free(map);
}

/* How many functions start at or before @addr. */
static size_t count_until(const struct jit_map *map, uint64_t addr)
{
	size_t low = 0, high = map->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->functions[middle].start <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const char *jit_map_find(const struct jit_map *map, uint64_t addr, uint64_t *start)
{
	size_t n = count_until(map, addr);

	for (size_t i = 0; i < LOOK_BACK && i < n; i++) {
		const struct function *f = &map->functions[n - 1 - i];

		if (addr - f->start < f->size) {
			*start = f->start;
			return f->name;
		}
	}
	return NULL;
}

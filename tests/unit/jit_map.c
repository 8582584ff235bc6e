// SPDX-License-Identifier: MIT
/* Names of code that a process has made itself: what the map says, and whom it is believed. */
#define _GNU_SOURCE 1
#include "report/jit_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PID = 4711 };

static char root[64], path[128];

static void write_map(const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static struct jit_map *read_map(const char *text)
{
	write_map(text, strlen(text));
	return jit_map_read(root, PID, getuid(), 0);
}

static void finds(const struct jit_map *map, uint64_t addr, const char *wanted, uint64_t at)
{
	uint64_t start = 0;
	const char *name = jit_map_find(map, addr, &start);

	if (!wanted) {
		assert_null(name);
		return;
	}
	assert_non_null(name);
	assert_string_equal(name, wanted);
	assert_int_equal(start, at);
}

static void test_names(void **state)
{
	struct jit_map *map = read_map("2000 10 second\n1000 20 first of (all, it) has blanks\n");

	(void)state;
	assert_non_null(map);
	finds(map, 0xfff, NULL, 0);
	finds(map, 0x1000, "first of (all, it) has blanks", 0x1000);
	finds(map, 0x101f, "first of (all, it) has blanks", 0x1000);
	finds(map, 0x1020, NULL, 0);
	finds(map, 0x200f, "second", 0x2000);
	finds(map, UINT64_MAX, NULL, 0);
	jit_map_free(map);
}

/* Code is thrown away, and other code takes its place. */
static void test_later_lines_count(void **state)
{
	struct jit_map *map = read_map("1000 100 old\n1000 40 new\n1080 8 within\n");

	(void)state;
	assert_non_null(map);
	finds(map, 0x1010, "new", 0x1000);
	finds(map, 0x1084, "within", 0x1080);
	finds(map, 0x1090, "old", 0x1000);
	jit_map_free(map);
}

static void test_broken_lines(void **state)
{
	struct jit_map *map = read_map("\n\nfoo\n1000\n1000 10\n1000 10 \n1000 0 empty\nzz 10 x\n"
				       "fffffffffffffff0 ffffffffffffffff top\n3000 8 kept");

	(void)state;
	assert_non_null(map);
	finds(map, 0x1000, NULL, 0);
	finds(map, 0x3000, "kept", 0x3000);
	finds(map, UINT64_MAX, "top", 0xfffffffffffffff0);
	finds(map, 0x10, NULL, 0);
	jit_map_free(map);
}

static void test_any_bytes(void **state)
{
	static const char alphabet[] = "0123456789abcdef \n\n  \0x\xff-";
	char text[512];
	uint64_t start;

	(void)state;
	srandom(7);
	for (int i = 0; i < 2000; i++) {
		struct jit_map *map;

		for (size_t j = 0; j < sizeof(text); j++)
			text[j] = alphabet[(size_t)random() % sizeof(alphabet)];
		write_map(text, (size_t)random() % sizeof(text));
		map = jit_map_read(root, PID, getuid(), 0);
		assert_non_null(map);
		for (uint64_t addr = 0; addr < 64; addr++)
			jit_map_find(map, addr, &start);
		jit_map_free(map);
	}
}

static void test_long_name(void **state)
{
	char *text = malloc(100000);
	struct jit_map *map;
	uint64_t start;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 99999);
	memcpy(text, "1000 8 ", 7);
	text[99999] = '\0';
	map = read_map(text);
	assert_non_null(map);
	assert_int_equal(strlen(jit_map_find(map, 0x1000, &start)), 4096);
	jit_map_free(map);
	free(text);
}

static void test_whom_to_believe(void **state)
{
	struct jit_map *map = read_map("1000 8 x\n");
	struct stat st;

	(void)state;
	assert_non_null(map);
	jit_map_free(map);
	assert_int_equal(stat(path, &st), 0);
	map = jit_map_read(root, PID, getuid(), st.st_mtime);
	assert_non_null(map);
	jit_map_free(map);
	assert_null(jit_map_read(root, PID, getuid(), st.st_mtime + 1));
	assert_null(jit_map_read(root, PID + 1, getuid(), 0));
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
		assert_null(jit_map_read(root, PID, 54321, 0));
		map = jit_map_read(root, PID, 12345, 0);
		assert_non_null(map);
		jit_map_free(map);
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_null(jit_map_read(root, PID, getuid(), 0));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(jit_map_read(root, PID, getuid(), 0));
	assert_int_equal(unlink(path), 0);
}

static int make_root(void **state)
{
	char dir[80];

	(void)state;
	snprintf(root, sizeof(root), "/tmp/jit_map.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(dir, sizeof(dir), "%s/tmp", root);
	snprintf(path, sizeof(path), "%s/perf-%d.map", dir, PID);
	return mkdir(dir, 0700);
}

static int remove_root(void **state)
{
	char dir[80];

	(void)state;
	unlink(path);
	snprintf(dir, sizeof(dir), "%s/tmp", root);
	rmdir(dir);
	return rmdir(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_later_lines_count),
		cmocka_unit_test(test_broken_lines),
		cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_whom_to_believe),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}

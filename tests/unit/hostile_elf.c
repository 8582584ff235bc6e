// SPDX-License-Identifier: MIT
/* Modules whose files are cut or flipped: no names or some, never a crash or a wrong build's. */
#define _GNU_SOURCE 1
#include "common/io.h"
#include "report/bus_guard.h"
#include "report/symbolize.h"

#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FLIPS 150
#define CUTS 60
#define IMAGE_MAX (64u << 20)

static char path[] = "/tmp/hostile-elf-XXXXXX";
static char *image;
static size_t image_len;
static uint64_t bias;

static void write_image(const char *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, data, len), 0);
	close(fd);
}

/* Where this program's functions are in its file. */
static uint64_t in_file(const void *function)
{
	return (uint64_t)(uintptr_t)function - bias;
}

static int note_bias(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	bias = info->dlpi_addr;
	return 1;	/* the program itself comes first */
}

/* The name of one function, looked up among others; NULL: none. For the caller to free. */
static char *look_up(const char *file, const uint8_t *build_id, size_t len)
{
	struct symbolizer *sym = symbolizer_new(NULL);
	const struct symbol_frame *f;
	uint32_t module, location;
	char *name = NULL;
	size_t count;

	assert_non_null(sym);
	module = symbolizer_module(sym, file, build_id, len);
	location = symbolizer_address(sym, module, in_file((const void *)write_image) + 1, false);
	for (uint64_t addr = 0; addr < 0x4000; addr += 0x80)
		assert_true(symbolizer_address(sym, module, in_file((const void *)look_up) + addr,
					       addr & 0x100) > 0);
	assert_int_equal(symbolizer_resolve(sym, NULL, NULL), 0);
	f = symbolizer_frames(sym, location, &count);
	assert_true(count > 0);
	if (f[count - 1].function)
		name = strdup(f[count - 1].function);
	symbolizer_free(sym);
	return name;
}

static void test_whole(void **state)
{
	static const uint8_t other[] = { 1, 2, 3, 4 };
	char *name;

	(void)state;
	write_image(image, image_len);
	name = look_up(path, NULL, 0);
	assert_non_null(name);
	assert_string_equal(name, "write_image");
	free(name);
	assert_null(look_up(path, other, sizeof(other)));
	assert_null(look_up("/nonexistent", NULL, 0));
	assert_null(look_up("/tmp", NULL, 0));
	assert_null(look_up("/dev/null", NULL, 0));
	assert_null(look_up("[vdso]", NULL, 0));
}

static void test_cut(void **state)
{
	(void)state;
	srandom(5);
	for (int i = 0; i < CUTS; i++) {
		write_image(image, i < 20 ? (size_t)i * 8 : (size_t)random() % image_len);
		free(look_up(path, NULL, 0));
	}
}

/* Headers, program headers and section headers get most of the flips. */
static void test_flipped(void **state)
{
	char *copy = malloc(image_len);

	(void)state;
	assert_non_null(copy);
	srandom(6);
	for (int i = 0; i < FLIPS; i++) {
		size_t range = i % 3 == 0 ? image_len : i % 3 == 1 ? 1024 : 4096;
		size_t start = i % 3 == 2 && image_len > range ? image_len - range : 0;

		memcpy(copy, image, image_len);
		for (int n = 0; n < 4; n++)
			copy[start + (size_t)random() % range] ^= (char)(1 << (random() & 7));
		write_image(copy, image_len);
		free(look_up(path, NULL, 0));
	}
	free(copy);
}

/* Names of one function before and after the file is cut to nothing under its reader. */
static void cut_while_read(off_t size)
{
	struct symbolizer *sym = symbolizer_new(NULL);
	const struct symbol_frame *f;
	uint32_t module, before, after;
	size_t count;

	assert_non_null(sym);
	write_image(image, image_len);
	assert_int_equal(truncate(path, size), 0);
	module = symbolizer_module(sym, path, NULL, 0);
	before = symbolizer_address(sym, module, in_file((const void *)write_image) + 1, false);
	assert_int_equal(symbolizer_resolve(sym, NULL, NULL), 0);
	f = symbolizer_frames(sym, before, &count);
	assert_string_equal(f[count - 1].function, "write_image");

	assert_int_equal(truncate(path, 0), 0);
	after = symbolizer_address(sym, module, in_file((const void *)look_up) + 1, false);
	assert_int_equal(symbolizer_resolve(sym, NULL, NULL), 0);
	f = symbolizer_frames(sym, after, &count);
	assert_null(f[count - 1].function);
	assert_int_equal(symbolizer_module_info(sym, module)->status, SYMBOLS_MISMATCH);
	symbolizer_free(sym);
}

static void test_cut_while_read(void **state)
{
	(void)state;
	bus_guard_install();	/* in place of cmocka's */
	cut_while_read((off_t)image_len);
	cut_while_read(100 << 20);	/* which is mapped */
}

static int clean(void **state)
{
	(void)state;
	free(image);
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_cut_while_read),
	};

	close(mkstemp(path));
	dl_iterate_phdr(note_bias, NULL);
	if (io_read_file("/proc/self/exe", IMAGE_MAX, &image, &image_len))
		return 1;
	return cmocka_run_group_tests(tests, NULL, clean);
}

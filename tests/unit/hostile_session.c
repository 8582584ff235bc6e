// SPDX-License-Identifier: MIT
/* Damaged sessions: cut, flipped, foreign. An error or a part of the report, never a crash. */
#include "common/io.h"
#include "common/session_reader.h"
#include "tests/support/exercise.h"
#include "tests/support/sample.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define RANDOM_CUTS 200
#define FLIPS 1200

static char dir[] = "/tmp/hostile-XXXXXX", path[64];
static char *image;
static size_t image_len;

static void write_image(const char *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, data, len), 0);
	close(fd);
}

static void load_image(int (*make)(const char *))
{
	free(image);
	image = NULL;
	assert_int_equal(make(path), 0);
	assert_int_equal(io_read_file(path, 64u << 20, &image, &image_len), 0);
}

/* Errors that session_open() documents for damaged files. */
static int is_documented(int err)
{
	return err == 0 || err == -EBADMSG || err == -ENODATA || err == -EAGAIN ||
	       err == -EPROTONOSUPPORT || err == -EXDEV || err == -EIO;
}

static void try_image(const char *data, size_t len)
{
	int err;

	write_image(data, len);
	err = exercise_session(path);
	if (!is_documented(err))
		fail_msg("undocumented error %d", err);
}

/* Opens what is left and says that it isn't all. */
static void check_cut(size_t len)
{
	struct session *s;
	int err;

	write_image(image, len);
	err = session_open(path, &s);
	if (len < sizeof(struct session_header)) {
		assert_true(err == -ENODATA || err == -EBADMSG);
		return;
	}
	assert_int_equal(err, 0);
	if (len < image_len)
		assert_true(session_damage(s)->truncated);
	session_close(s);
}

static int (*const make[])(const char *) = { sample_process, sample_kernel, sample_extended };
#define MAKERS (sizeof(make) / sizeof(make[0]))

static void test_truncated(void **state)
{
	(void)state;
	srandom(1);
	for (size_t m = 0; m < MAKERS; m++) {
		load_image(make[m]);
		for (size_t len = 0; len <= 2 * SESSION_PAGE; len++)
			check_cut(len);
		for (int i = 0; i < RANDOM_CUTS; i++)
			check_cut((size_t)random() % image_len);
		for (size_t len = 0; len < image_len; len += 509)
			try_image(image, len);
	}
}

static void test_flipped(void **state)
{
	(void)state;
	srandom(2);
	for (size_t m = 0; m < MAKERS; m++) {
		char *copy;

		load_image(make[m]);
		copy = malloc(image_len);
		assert_non_null(copy);
		for (int i = 0; i < FLIPS; i++) {
			/* Half of the flips hit the header and the extents. */
			size_t range = i & 1 ? image_len : 2 * SESSION_PAGE;

			memcpy(copy, image, image_len);
			for (int n = 0; n <= i % 4; n++)
				copy[(size_t)random() % range] ^= (char)(1 << (random() & 7));
			try_image(copy, image_len);
		}
		free(copy);
	}
}

static int open_patched(size_t offset, const void *value, size_t len)
{
	struct session *s = NULL;
	int err;

	load_image(sample_process);
	memcpy(image + offset, value, len);
	write_image(image, image_len);
	err = session_open(path, &s);
	session_close(s);
	return err;
}

#define PATCH(type, field, value) \
	open_patched(offsetof(struct session_header, field), &(type){ value }, sizeof(type))

static void test_foreign(void **state)
{
	(void)state;
	assert_int_equal(PATCH(uint16_t, major, 1), -EPROTONOSUPPORT);
	assert_int_equal(PATCH(uint16_t, minor, 9), 0);
	assert_int_equal(PATCH(uint32_t, endian, 0x04030201), -EXDEV);
	assert_int_equal(PATCH(uint8_t, word_size, 4), -EXDEV);
	assert_int_equal(PATCH(uint64_t, features, 1ull << 40), -EPROTONOSUPPORT);
	assert_int_equal(PATCH(uint64_t, features, 1ull << 20), 0);
	assert_int_equal(PATCH(uint32_t, state, SESSION_STARTING), -EAGAIN);
	assert_int_equal(PATCH(uint32_t, state, 77), -EBADMSG);
	assert_int_equal(PATCH(uint8_t, kind, 9), -EBADMSG);
	assert_int_equal(PATCH(uint32_t, header_size, 16), -EBADMSG);
	assert_int_equal(PATCH(uint32_t, extent_count, 100000), -EBADMSG);
	assert_int_equal(PATCH(char, magic[0], 'x'), -EBADMSG);
}

static void test_overlap(void **state)
{
	struct session_extent *e;
	struct session *s = NULL;

	(void)state;
	load_image(sample_process);
	e = (struct session_extent *)(image + SESSION_EXTENT_TABLE);
	e[1].start = e[0].start;
	write_image(image, image_len);
	assert_int_equal(session_open(path, &s), -EBADMSG);
	load_image(sample_process);
	e = (struct session_extent *)(image + SESSION_EXTENT_TABLE);
	e[1].start = 1;
	write_image(image, image_len);
	assert_int_equal(session_open(path, &s), -EBADMSG);
}

/* A sparse file that claims terabytes of records is read in no time. */
static void test_sparse(void **state)
{
	struct session_header *h;
	struct session_extent *e;
	struct session *s = NULL;

	(void)state;
	load_image(sample_process);
	h = (struct session_header *)image;
	e = (struct session_extent *)(image + SESSION_EXTENT_TABLE);
	e[h->extent_count++] = (struct session_extent){ SECT_RECORDS, 1u << 20, 1u << 30, 0 };
	h->section[SECT_RECORDS].used = 1ull << 37;
	write_image(image, image_len);
	if (truncate(path, (off_t)SESSION_PAGE * ((1ll << 20) + (1ll << 30))))
		skip();
	assert_int_equal(session_open(path, &s), 0);
	session_close(s);
	assert_int_equal(exercise_session(path), 0);
}

static void test_no_session(void **state)
{
	struct session *s = NULL;

	(void)state;
	assert_int_equal(session_open("/nonexistent", &s), -ENOENT);
	assert_int_equal(session_open("/", &s), -EISDIR);
	assert_int_equal(session_open("/dev/null", &s), -EBADMSG);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(session_open(path, &s), -EBADMSG);
	unlink(path);
}

static int clean(void **state)
{
	(void)state;
	free(image);
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_no_session),
	};

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/session", dir);
	return cmocka_run_group_tests(tests, NULL, clean);
}

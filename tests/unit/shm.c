// SPDX-License-Identifier: MIT
/*
 * The session file as libleak.so grows it: what is written to the flat sections is
 * in the file where the extents say; full file systems and limits are refusals,
 * never signals; a file that isn't ours any more is left alone.
 */
#include "preload/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB	(1ul << 20)

static char dir[] = "/tmp/shm-test-XXXXXX";
static char path[64];
static struct shm shm;

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/a.leak", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static int fresh(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

/* Section @id as 64-bit words, each with a value of its own. */
static uint64_t word_of(int id, uint64_t i)
{
	return (uint64_t)id << 56 | i;
}

static void fill(int id, uint64_t from, uint64_t bytes)
{
	uint64_t *w = (void *)shm.sect[id].base;

	for (uint64_t i = from / 8; i < bytes / 8; i++)
		w[i] = word_of(id, i);
}

/* The sections of the file @fd hold what was filled in, by its own extents. */
static void file_holds(int fd, const uint64_t *bytes)
{
	struct session_extent table[SESSION_MAX_EXTENTS];
	uint64_t done[SECT_MAX] = { 0 }, page[SESSION_PAGE / 8];
	struct session_header h;

	assert_int_equal(pread(fd, &h, sizeof(h), 0), sizeof(h));
	assert_memory_equal(h.magic, SESSION_MAGIC, sizeof(h.magic));
	assert_in_range(h.extent_count, 1, SESSION_MAX_EXTENTS);
	assert_int_equal(pread(fd, table, sizeof(table), SESSION_EXTENT_TABLE), sizeof(table));
	for (uint32_t e = 0; e < h.extent_count; e++) {
		uint32_t id = table[e].section;

		assert_in_range(id, 1, SECT_MAX - 1);
		for (uint32_t p = 0; p < table[e].pages; p++) {
			off_t off = (off_t)(table[e].start + p) * SESSION_PAGE;

			assert_int_equal(pread(fd, page, SESSION_PAGE, off), SESSION_PAGE);
			for (size_t i = 0; i < SESSION_PAGE / 8; i++, done[id] += 8)
				assert_int_equal(page[i], done[id] < bytes[id] ? word_of((int)id, done[id] / 8) : 0);
		}
	}
	for (int id = 0; id < SECT_MAX; id++) {
		assert_int_equal(done[id], h.section[id].bytes);
		assert_true(done[id] >= bytes[id]);
	}
}

static void sections_grow_side_by_side(void **state)
{
	static const int ids[] = { SECT_RECORDS, SECT_STACKS, SECT_FRAMES, SECT_STRINGS, SECT_SITES };
	uint64_t bytes[SECT_MAX] = { 0 };
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(shm_create(&shm, path, 64 * MIB), 0);
	for (uint64_t round = 0; round < 200; round++) {
		int id = ids[round * 7 % 5];
		uint64_t want = bytes[id] + 8 * (1 + round * 977 % 9000);

		if (want > MIB)
			continue;
		assert_int_equal(shm_grow(&shm, id, want), 0);
		assert_true(shm.sect[id].committed >= want);
		fill(id, bytes[id], want);
		bytes[id] = want;
	}
	shm_trim(&shm);
	fd = open(path, O_RDONLY);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, shm.hdr->file_used);
	file_holds(fd, bytes);
	close(fd);
	shm_unmap(&shm);
}

/* From 2 MiB on, extents begin and end at multiples of that, in the file and in memory. */
static void large_sections(const char *file)
{
	static const int ids[] = { SECT_RECORDS, SECT_FRAMES, SECT_STRINGS };
	uint64_t bytes[SECT_MAX] = { 0 }, used = 0;
	int fd;

	assert_int_equal(shm_create(&shm, file, 256 * MIB), 0);
	for (uint64_t round = 0; round < 100; round++) {
		int id = ids[round % 3];
		uint64_t want = bytes[id] + (id == SECT_STRINGS ? 104 : 8 * (round * 977 % 40000));

		assert_int_equal(shm_grow(&shm, id, want), 0);
		assert_true(shm.sect[id].committed >= want);
		assert_true(shm.sect[id].committed <= 2 * want + 3 * MIB);
		fill(id, bytes[id], want);
		bytes[id] = want;
	}
	assert_true(bytes[SECT_RECORDS] > 4 * MIB);
	assert_int_equal(((uintptr_t)shm.sect[SECT_RECORDS].base | shm.sect[SECT_RECORDS].mapped |
			  shm.sect[SECT_RECORDS].file_end) % (2 * MIB), 0);
	/* what is left out between large ones, small ones get */
	for (int id = 0; id < SECT_MAX; id++)
		used += shm.sect[id].mapped;
	assert_true(shm.hdr->file_used <= used + SESSION_HEADER_SIZE + 4 * MIB);
	shm_trim(&shm);
	fd = open(file, O_RDONLY);
	unlink(file);
	file_holds(fd, bytes);
	close(fd);
	shm_unmap(&shm);
}

static void sections_become_large(void **state)
{
	(void)state;
	large_sections(path);
	/* on tmpfs, whatever the other is on, with huge pages where the kernel grants them */
	if (access("/dev/shm", W_OK) == 0) {
		char file[64];

		snprintf(file, sizeof(file), "/dev/shm/%s.leak", strrchr(dir, '/') + 1);
		large_sections(file);
	}
}

static void growth_is_refused(void **state)
{
	(void)state;
	assert_int_equal(shm_create(&shm, path, MIB), 0);
	assert_int_equal(shm_grow(&shm, SECT_RECORDS, shm.sect[SECT_RECORDS].reserved + 1), -EFBIG);
	assert_int_equal(shm_grow(&shm, SECT_RECORDS, 4096), 0);
	/* every section may be full, but not all of them */
	for (int id = 1; id < SECT_MAX; id++) {
		int ret = shm_grow(&shm, id, shm.sect[id].reserved);

		assert_true(ret == 0 || ret == -EFBIG);
		if (shm.sect[id].committed)
			memset(shm.sect[id].base, 1, shm.sect[id].committed);
	}
	assert_true(shm.hdr->file_used <= shm.file_bytes);
	shm.frozen = true;
	assert_int_equal(shm_grow(&shm, SECT_RECORDS, shm.sect[SECT_RECORDS].committed), 0);
	assert_int_equal(shm_grow(&shm, SECT_FRAMES, shm.sect[SECT_FRAMES].committed + 1), -EFBIG);
	shm_unmap(&shm);
}

static void what_exists_is_not_touched(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "mine", 4), 4);
	close(fd);
	assert_int_equal(shm_create(&shm, path, MIB), -EEXIST);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(shm_create(&shm, "/nonexistent/a.leak", MIB), -ENOENT);
}

static void another_file_of_that_name_is_left_alone(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(shm_create(&shm, path, MIB), 0);
	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(ftruncate(fd, 3 * (off_t)MIB), 0);
	close(fd);
	shm_trim(&shm);
	shm_remove(&shm);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 3 * MIB);
	shm_unmap(&shm);
	unlink(path);
	assert_int_equal(shm_create(&shm, path, MIB), 0);
	shm_remove(&shm);
	assert_int_equal(stat(path, &st), -1);
	shm_unmap(&shm);
}

/* ---- surroundings: each in a child, which must end by itself ------------------------ */

enum { PASSED = 0, FAILED = 1, SKIPPED = 77 };

static void in_child(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail_msg("killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(status), PASSED);
}

/* Grows until that is refused; all that was granted can be written. */
static int fill_up(const char *file, uint64_t max, int wanted_error)
{
	uint64_t bytes = 0;
	int ret = shm_create(&shm, file, max);

	if (ret)
		return FAILED;
	while ((ret = shm_grow(&shm, SECT_RECORDS, bytes + 10000)) == 0) {
		bytes = shm.sect[SECT_RECORDS].committed;
		memset(shm.sect[SECT_RECORDS].base, 7, bytes);
	}
	if (ret != wanted_error || !bytes)
		return FAILED;
	/* refused again, and the header still describes what is there */
	ret = shm_grow(&shm, SECT_RECORDS, bytes + 10000);
	return ret == wanted_error && shm.sect[SECT_RECORDS].committed == bytes &&
	       shm.hdr->section[SECT_RECORDS].bytes >= bytes ? PASSED : FAILED;
}

static int below_file_size_limit(void)
{
	struct rlimit limit = { MIB, MIB };

	if (setrlimit(RLIMIT_FSIZE, &limit))
		return SKIPPED;
	return fill_up(path, 64 * MIB, -EFBIG);
}

static int far_below_file_size_limit(void)
{
	struct rlimit limit = { 100000, 100000 };

	if (setrlimit(RLIMIT_FSIZE, &limit))
		return SKIPPED;
	return shm_create(&shm, path, 64 * MIB) == -EFBIG && access(path, F_OK) ? PASSED : FAILED;
}

static int fill_file_system(const char *options)
{
	char file[80];

	/* root needs no user namespace, others may have one */
	if ((geteuid() && unshare(CLONE_NEWUSER)) || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", dir, "tmpfs", 0, options))
		return SKIPPED;
	snprintf(file, sizeof(file), "%s/full.leak", dir);
	return fill_up(file, 64 * MIB, -ENOSPC);
}

static int on_full_file_system(void)
{
	return fill_file_system("size=600k");
}

/* A huge page finds no room any more where small ones do. */
static int on_larger_file_system(void)
{
	return fill_file_system("size=5000k");
}

static void file_size_limit(void **state)
{
	(void)state;
	in_child(below_file_size_limit);
	unlink(path);
	in_child(far_below_file_size_limit);
}

static void full_file_system(void **state)
{
	(void)state;
	in_child(on_full_file_system);
	in_child(on_larger_file_system);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(sections_grow_side_by_side, fresh),
		cmocka_unit_test_setup(sections_become_large, fresh),
		cmocka_unit_test_setup(growth_is_refused, fresh),
		cmocka_unit_test_setup(what_exists_is_not_touched, fresh),
		cmocka_unit_test_setup(another_file_of_that_name_is_left_alone, fresh),
		cmocka_unit_test_setup(file_size_limit, fresh),
		cmocka_unit_test_setup(full_file_system, fresh),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

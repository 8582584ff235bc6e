// SPDX-License-Identifier: MIT
/* Reading records while another thread gives their slots to other blocks: none is torn. */
#include "common/session_reader.h"
#include "tests/support/sample.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SLOTS 2000u
#define SCANS 300

static char path[] = "/tmp/session-live-XXXXXX";

struct churn {
	struct session_record *records;
	uint32_t stack;
	_Atomic bool stop;
};

/* What a block's size has to be, so that a mixture of two blocks shows. Every other one is large. */
static uint64_t size_of(uint64_t addr)
{
	uint64_t size = addr * 0x9e3779b97f4a7c15ull >> 30;

	return addr & 0x20 ? size : size & REC_SIZE_MAX;
}

static void store(uint64_t *word, uint64_t value)
{
	atomic_store_explicit((_Atomic uint64_t *)word, value, memory_order_release);
}

/* The order of session_format.h: address zero first when freed, last when given. */
static void give(struct churn *c, uint64_t slot, uint64_t addr, uint64_t seq)
{
	struct session_record *r = &c->records[1 + slot], *ext = &c->records[1 + SLOTS + slot];
	struct session_block b = {
		.addr = addr, .size = size_of(addr), .tick = addr, .stack = c->stack,
	};
	struct session_record_pair p = session_record_pack(&b, seq, 1 + SLOTS + (uint32_t)slot);

	store(&r->addr_size, r->addr_size & REC_SEQ_MASK);
	atomic_thread_fence(memory_order_seq_cst);
	store(&ext->addr_size, p.extension.addr_size);
	store(&ext->time_stack, p.extension.time_stack);
	store(&r->time_stack, p.r.time_stack);
	store(&r->addr_size, p.r.addr_size);
}

static void *run_churn(void *arg)
{
	struct churn *c = arg;

	for (uint64_t n = 1; !atomic_load_explicit(&c->stop, memory_order_relaxed); n++)
		give(c, n * 7919 % SLOTS, (n & 0xffffffff) << 5, n / SLOTS);
	return NULL;
}

static int check_block(void *arg, const struct session_block *b)
{
	uint64_t *count = arg;

	if (b->size != size_of(b->addr))
		fail_msg("torn: block %lx has size %lx", (unsigned long)b->addr,
			 (unsigned long)b->size);
	++*count;
	return 0;
}

/* Where the file holds its records. */
static void *map_records(const char *file, size_t *len)
{
	struct session_extent extents[SESSION_MAX_EXTENTS];
	int fd = open(file, O_RDWR);
	struct stat st;
	char *base;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	*len = (size_t)st.st_size;
	base = mmap(NULL, *len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	assert_ptr_not_equal(base, MAP_FAILED);
	memcpy(extents, base + SESSION_EXTENT_TABLE, sizeof(extents));
	for (int i = 0; i < SESSION_MAX_EXTENTS; i++)
		if (extents[i].section == SECT_RECORDS)
			return base + (size_t)extents[i].start * SESSION_PAGE;
	return NULL;
}

static void test_no_torn_record(void **state)
{
	static const uint64_t frames[] = { SAMPLE_BASE + 1 };
	struct session_block blank = { 0 };
	struct session_writer *w;
	struct churn c = { 0 };
	struct session *s;
	uint64_t seen = 0;
	pthread_t thread;
	size_t len;

	(void)state;
	assert_int_equal(sample_begin(path, SESSION_WRITE_LIVE, &w), 0);
	c.stack = session_writer_stack(w, frames, 1, 0, 0);
	for (unsigned int i = 0; i < 2 * SLOTS; i++)
		session_writer_record(w, &blank);
	assert_int_equal(session_writer_sync(w), 0);
	c.records = map_records(path, &len);
	assert_non_null(c.records);
	assert_int_equal(pthread_create(&thread, NULL, run_churn, &c), 0);
	assert_int_equal(session_open(path, &s), 0);
	for (int i = 0; i < SCANS; i++)
		assert_int_equal(session_each_block(s, check_block, &seen), 0);
	atomic_store(&c.stop, true);
	pthread_join(thread, NULL);
	assert_true(seen > 0);
	assert_int_equal(session_damage(s)->bad_entries, 0);
	session_close(s);
	session_writer_abort(w);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_torn_record),
	};

	close(mkstemp(path));
	return cmocka_run_group_tests(tests, NULL, remove_file);
}

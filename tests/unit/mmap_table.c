// SPDX-License-Identifier: MIT
/*
 * The table of mapped regions against a naive model, which knows for each page
 * what mapping it belongs to: random maps, unmaps, moves, and reserved addresses that
 * are made accessible, which overlap, cut and split one another. The recorder around the
 * table is the real one.
 */
#include "preload/mmap_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/clock.h"
#include "preload/lifecycle.h"
#include "preload/live_table.h"
#include "preload/modules.h"
#include "preload/real.h"
#include "preload/recipes.h"
#include "preload/records.h"
#include "preload/sampling.h"
#include "preload/stack_table.h"

enum { PAGES = 96, LONGEST = 20, ROUNDS = 20000 };
#define BASE	0x7000000000ul
#define PAGE	4096ul

/* Nothing here starts a recording by itself, or allocates through the hooks. */
struct real_functions real;

bool lifecycle_start(void)
{
	return false;
}

static struct thread_state *self;
static struct {
	uint32_t mapping[PAGES];	/* number of the mapping, 0: none */
	uint32_t reservation[PAGES];	/* number of the reservation, 0: none */
	uint32_t last;
	uint32_t stack[ROUNDS * LONGEST];	/* of a mapping */
} model;

static int begin_session(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/mmap-table-test-%d.leak", getpid());
	config_defaults(&recorder.cfg);
	recorder.cfg.max_bytes = 64 << 20;
	assert_int_equal(shm_create(&recorder.shm, path, recorder.cfg.max_bytes), 0);
	shm_remove(&recorder.shm);
	recorder.hdr = recorder.shm.hdr;
	recorder.records = (void *)recorder.shm.sect[SECT_RECORDS].base;
	recorder.record_threads = (void *)recorder.shm.sect[SECT_RECORD_THREADS].base;
	recorder.sites = (void *)recorder.shm.sect[SECT_SITES].base;
	recorder.stacks = (void *)recorder.shm.sect[SECT_STACKS].base;
	recorder.depth = recorder.cfg.depth;
	clock_init();
	clock_start(&recorder.hdr->clock);
	recorder.tick0 = recorder.hdr->clock.tick0;
	sampling_begin();
	stack_capture_init();
	assert_int_equal(live_init(), 0);
	assert_int_equal(recipes_init(), 0);
	assert_int_equal(threads_init(), 0);
	assert_int_equal(stack_table_init(), 0);
	assert_int_equal(modules_init(), 0);
	recorder_gate.gate.generation = 1;
	self = thread_attach();
	assert_non_null(self);
	return 0;
}

static int end_session(void **state)
{
	(void)state;
	recorder_leave(self);
	recorder_gate.gate.generation = 0;
	recorder.hdr = NULL;
	shm_unmap(&recorder.shm);
	return 0;
}

/* ---- both at once ----------------------------------------------------------------- */

static unsigned int rounded(size_t len)
{
	return (unsigned int)((len + PAGE - 1) / PAGE);
}

static void unmap(unsigned int page, size_t len)
{
	mmap_table_remove(self, BASE + page * PAGE, len);
	for (unsigned int i = 0; i < rounded(len); i++)
		model.mapping[page + i] = model.reservation[page + i] = 0;
}

/* The record of the region at @addr, 0: none. */
static uint32_t index_at(uintptr_t addr)
{
	for (uint64_t i = 1; i < recorder.hdr->section[SECT_RECORDS].used; i++)
		if (session_record_in_use(&recorder.records[i]) &&
		    session_record_addr(&recorder.records[i]) == addr)
			return (uint32_t)i;
	return 0;
}

static uint64_t count_live(void)
{
	uint64_t live = 0;

	for (uint64_t i = 1; i < recorder.hdr->section[SECT_RECORDS].used; i++)
		live += session_record_in_use(&recorder.records[i]);
	return live;
}

static void note_mapped(unsigned int page, size_t len)
{
	uint32_t record = index_at(BASE + page * PAGE);

	assert_int_not_equal(record, 0);
	model.last++;
	model.stack[model.last] = record_get(record).stack;
	for (unsigned int i = 0; i < rounded(len); i++) {
		model.mapping[page + i] = model.last;
		model.reservation[page + i] = 0;
	}
}

/* Two callers, so that there are two stacks. */
static __attribute__((noinline)) void map_here(unsigned int page, size_t len)
{
	struct frame_regs from = HOOK_CALLER;

	mmap_table_add(self, BASE + page * PAGE, len, &from);
	note_mapped(page, len);
}

static __attribute__((noinline)) void map_there(unsigned int page, size_t len)
{
	struct frame_regs from = HOOK_CALLER;

	mmap_table_add(self, BASE + page * PAGE, len, &from);
	note_mapped(page, len);
}

static void reserve(unsigned int page, size_t len)
{
	unmap(page, len);
	mmap_table_reserve(self, BASE + page * PAGE, len);
	model.last++;
	for (unsigned int i = 0; i < rounded(len); i++)
		model.reservation[page + i] = model.last;
}

/* A run of pages of one reservation is one mapping. */
static __attribute__((noinline)) void open_here(unsigned int page, size_t len)
{
	struct frame_regs from = HOOK_CALLER;
	unsigned int end = page + rounded(len);

	mmap_table_open(self, BASE + page * PAGE, len, &from);
	for (unsigned int i = page, n; i < end; i += n) {
		uint32_t reservation = model.reservation[i];

		for (n = 1; i + n < end && model.reservation[i + n] == reservation; n++)
			;
		if (reservation)
			note_mapped(i, n * PAGE);
	}
}

/* ---- comparing -------------------------------------------------------------------- */

/* A run of pages of one mapping is one record, and there are no others. */
static uint64_t compare_regions(uint64_t *bytes)
{
	uint64_t regions = 0;

	*bytes = 0;
	for (unsigned int i = 0, n; i < PAGES; i += n) {
		uint32_t record = index_at(BASE + i * PAGE);
		struct session_block b;

		for (n = 1; i + n < PAGES && model.mapping[i + n] == model.mapping[i]; n++)
			;
		if (!model.mapping[i]) {
			assert_int_equal(record, 0);
			continue;
		}
		assert_int_not_equal(record, 0);
		b = record_get(record);
		assert_int_equal(b.size, n * PAGE);
		assert_int_equal(b.stack, model.stack[model.mapping[i]]);
		assert_int_equal(b.kind, REC_MMAP);
		regions++;
		*bytes += n * PAGE;
	}
	return regions;
}

static void compare(void)
{
	uint64_t bytes, count = 0, total = 0, reserved = 0;
	uint64_t regions = compare_regions(&bytes);

	for (unsigned int i = 0; i < PAGES; i++) {
		reserved += model.reservation[i] ? PAGE : 0;
		assert_int_equal(mmap_table_is_reserved(BASE + i * PAGE), model.reservation[i] != 0);
	}
	assert_int_equal(recorder.hdr->reserved_space, reserved);
	assert_int_equal(mmap_table_any_reserved(), reserved != 0);

	assert_int_equal(count_live(), regions);
	for (uint64_t i = 1; i < recorder.hdr->section[SECT_SITES].used; i++) {
		count += recorder.sites[i].alloc_count - recorder.sites[i].free_count;
		total += recorder.sites[i].alloc_bytes - recorder.sites[i].free_bytes;
	}
	assert_int_equal(count, regions);
	assert_int_equal(total, bytes);
}

/* ---- tests ------------------------------------------------------------------------ */

static void edges(void **state)
{
	(void)state;
	map_here(10, 10 * PAGE);
	compare();
	unmap(0, 10 * PAGE);	/* up to it */
	unmap(20, PAGE);	/* behind it */
	compare();
	unmap(9, 2 * PAGE);	/* its beginning */
	compare();
	unmap(19, 2 * PAGE);	/* its end */
	compare();
	unmap(14, 2 * PAGE);	/* its middle: two are left */
	compare();
	map_there(13, 4 * PAGE);	/* over the gap and parts of both */
	compare();
	map_here(12, 1);	/* a byte is a page */
	compare();
	unmap(0, PAGES * PAGE);
	compare();
	assert_int_equal(recorder.hdr->loss[LOSS_TABLE_FULL], 0);
}

static void reserved(void **state)
{
	(void)state;
	reserve(10, 20 * PAGE);
	compare();
	open_here(5, 6 * PAGE);	/* its beginning, and what is not mapped */
	compare();
	open_here(20, PAGE);	/* its middle */
	compare();
	open_here(19, 3 * PAGE);	/* around that */
	compare();
	unmap(24, PAGE);
	map_here(26, PAGE);	/* over it */
	reserve(20, PAGE);	/* as by mmap(PROT_NONE) over what was accessible */
	compare();
	reserve(30, 5 * PAGE);
	open_here(29, 2 * PAGE);	/* the end of one, the beginning of another */
	compare();
	open_here(0, PAGES * PAGE);
	compare();
	assert_int_equal(recorder.hdr->reserved_space, 0);
	unmap(0, PAGES * PAGE);
	compare();
	assert_int_equal(recorder.hdr->loss[LOSS_TABLE_FULL], 0);
}

static void random_operations(void **state)
{
	(void)state;
	srand(1);
	for (int i = 0; i < ROUNDS / 2; i++) {
		unsigned int page = (unsigned int)rand() % (PAGES - LONGEST);
		size_t len = 1 + (unsigned int)rand() % (LONGEST * PAGE);

		switch (rand() % 6) {
		case 0:
			map_here(page, len);
			break;
		case 1:
			map_there(page, len);
			break;
		case 2:	/* moved, as by mremap */
			unmap((unsigned int)rand() % (PAGES - LONGEST), len);
			map_here(page, len);
			break;
		case 3:
			reserve(page, len);
			break;
		case 4:
			open_here(page, len);
			break;
		default:
			unmap(page, len);
		}
		compare();
	}
	assert_int_not_equal(model.stack[1], 0);
	/* freed places are used again: there never are more records than pages, by much */
	assert_in_range(recorder.hdr->section[SECT_RECORDS].used, 1, 2 * PAGES + 64);
}

/* More regions than the table's first size; then all at once. */
static void many_regions(void **state)
{
	struct frame_regs from = HOOK_CALLER;
	enum { MANY = 5000 };

	(void)state;
	unmap(0, PAGES * PAGE);
	for (uintptr_t i = 0; i < MANY; i++)
		mmap_table_add(self, BASE + (i * 7919 % MANY) * 2 * PAGE, PAGE, &from);
	assert_int_equal(count_live(), MANY);
	mmap_table_remove(self, BASE, 2 * MANY * PAGE);
	compare();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges),
		cmocka_unit_test(reserved),
		cmocka_unit_test(random_operations),
		cmocka_unit_test(many_regions),
	};

	return cmocka_run_group_tests(tests, begin_session, end_session);
}

// SPDX-License-Identifier: MIT
/* Kernel sessions in a report: totals by slab cache, sites of several kernels. */
#include "common/session_writer.h"
#include "report/rank.h"
#include "report/report.h"
#include "report/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/kernel-report-XXXXXX";

static struct report *build(struct symbolizer *sym, const struct report_options *o)
{
	struct report *r = report_new(sym, o);

	assert_non_null(r);
	assert_int_equal(report_add_file(r, path), 0);
	assert_int_equal(report_build(r), 0);
	return r;
}

static void add_kernel_site(struct session_writer *w, uint32_t stack, uint32_t cache,
			    uint64_t count, uint64_t freed)
{
	struct session_site s = {
		.stack = stack, .thread_slot = cache, .alloc_count = count,
		.alloc_bytes = 64 * count, .free_count = freed, .free_bytes = 64 * freed,
		.lifetimes = { [20] = (uint32_t)freed },
	};

	session_writer_site(w, &s);
}

static void add_objects(struct session_writer *w, uint32_t stack, uint32_t user, uint32_t cache,
			uint64_t count)
{
	struct session_krecord r = {
		.size = 64, .stack = stack, .user_stack = user, .cache = cache,
		.verdict = VERDICT_LIVE, .kind = user ? KREC_PAGES : KREC_SLAB,
	};

	for (uint64_t i = 0; i < count; i++) {
		r.addr = 0xffff888000000000ull + stack * 0x100000 + user * 0x10000 + i * 64;
		session_writer_krecord(w, &r);
	}
}

static uint32_t named_cache(struct session_writer *w, const char *name)
{
	struct session_cache c = { .name = session_writer_string(w, name) };

	return session_writer_cache(w, &c);
}

/*
 * One code path with four caches: two that hold something, one that was freed
 * whole, and pages, with user stacks, that two sites hold.
 */
static void write_caches(void)
{
	static const uint64_t frames[] = { 0xffffffff81300000ull, 0xffffffff81200000ull };
	static const uint64_t user[] = { 0x1000, 0x2000 };
	static const char *const names[] = { "kmalloc-2k", "kmalloc-4k", "kmalloc-1k", "pages" };
	struct session_writer *w;
	uint32_t cache[4], stack[4], caller[2];

	assert_int_equal(session_writer_create(path, SESSION_KERNEL, SESSION_WRITE_WHOLE, &w), 0);
	for (int i = 0; i < 4; i++) {
		cache[i] = named_cache(w, names[i]);
		stack[i] = session_writer_stack(w, frames, 2, 0, cache[i]);
		add_kernel_site(w, stack[i], cache[i], 100 + (uint64_t)i, i == 2 ? 102 : 90);
	}
	for (int i = 0; i < 2; i++)
		caller[i] = session_writer_stack(w, &user[i], 1, STACK_USER, 0);
	add_objects(w, stack[0], 0, cache[0], 10);
	add_objects(w, stack[1], 0, cache[1], 11);
	add_objects(w, stack[3], caller[0], cache[3], 6);
	add_objects(w, stack[3], caller[1], cache[3], 7);
	assert_int_equal(session_writer_finish(w, SESSION_END_STOPPED), 0);
}

/* The site of a cache that has this much allocated; NULL: there is none. */
static const struct report_site *site_with(const struct report *r, const char *cache,
					   uint64_t allocated)
{
	const struct report_site *site;

	for (size_t i = 0; (site = report_site(r, i)); i++)
		if (site->cache && !strcmp(site->cache, cache) &&
		    site->totals.allocated.count == allocated)
			return site;
	return NULL;
}

static void test_totals(void **state)
{
	struct symbolizer *sym = symbolizer_new(NULL);
	struct report *r;

	(void)state;
	write_caches();
	r = build(sym, NULL);
	assert_int_equal(report_site_count(r), 6);
	assert_int_equal(site_with(r, "kmalloc-2k", 100)->live.count, 10);
	assert_int_equal(site_with(r, "kmalloc-4k", 101)->live.count, 11);
	assert_int_equal(site_freed(site_with(r, "kmalloc-4k", 101)), 90);
	assert_int_equal(site_with(r, "kmalloc-1k", 102)->live.count, 0);
	assert_int_equal(site_freed(site_with(r, "kmalloc-1k", 102)), 102);
	/* Who of the two freed is not known. */
	assert_int_equal(site_with(r, "pages", 103)->live.count, 0);
	assert_non_null(site_with(r, "pages", 0));
	assert_int_equal(report_summary(r)->live[KIND_SLAB].count, 21);
	report_free(r);

	r = build(sym, &(struct report_options){ .combined = true });
	assert_int_equal(report_site_count(r), 4);
	assert_int_equal(site_with(r, "kmalloc-4k", 101)->live.bytes, 11 * 64);
	assert_int_equal(report_summary(r)->live[KIND_PAGES].count, 13);
	assert_int_equal(report_summary(r)->all.count, 34);
	report_free(r);
	symbolizer_free(sym);
	unlink(path);
}

/* ---- tasks, phantoms, the recorder's own frames ---- */

static struct session_writer *begin(void)
{
	struct session_writer *w;

	assert_int_equal(session_writer_create(path, SESSION_KERNEL, SESSION_WRITE_WHOLE, &w), 0);
	return w;
}

static void add_object(struct session_writer *w, uint64_t n, uint64_t tick, uint32_t user,
		       uint32_t task)
{
	static const uint64_t frames[] = { 0xffffffff81300000ull };
	struct session_krecord r = {
		.addr = 0xffff888000000000ull + n * 64, .size = 64, .tick = tick,
		.stack = session_writer_stack(w, frames, 1, 0, 0), .user_stack = user,
		.task = task, .verdict = n & 1 ? VERDICT_FREED : VERDICT_LIVE, .kind = KREC_SLAB,
	};

	session_writer_krecord(w, &r);
}

static uint32_t task(struct session_writer *w, uint32_t pid, uint32_t tid, const char *comm)
{
	struct session_task t = { .pid = pid, .tid = tid, .start_ns = 5000000000ull };

	strncpy(t.comm, comm, sizeof(t.comm));
	return session_writer_task(w, &t);
}

/* A shell that executes grep, whose thread has a name of its own; a process of threads only. */
static void test_task_names(void **state)
{
	struct session_writer *w = begin();
	struct symbolizer *sym = symbolizer_new(NULL);
	struct report *r;
	unsigned int found = 0;

	(void)state;
	add_object(w, 0, 300, 0, task(w, 7, 7, "grep"));
	add_object(w, 2, 500, 0, task(w, 7, 8, "pool"));
	add_object(w, 4, 100, 0, task(w, 7, 7, "sh"));
	add_object(w, 6, 100, 0, task(w, 9, 10, "one"));
	add_object(w, 8, 200, 0, task(w, 9, 11, "two"));
	assert_int_equal(session_writer_finish(w, SESSION_END_STOPPED), 0);
	r = build(sym, NULL);
	for (size_t i = 0; i < report_process_count(r); i++) {
		const struct report_process *p = report_process(r, i);

		found += p->pid == 7 && !strcmp(p->comm, "grep");
		found += p->pid == 9 && !strcmp(p->comm, "two");
	}
	assert_int_equal(found, 2);
	report_free(r);
	symbolizer_free(sym);
	unlink(path);
}

static bool text_has(const struct report *r, const char *wanted)
{
	const struct text_options options = { 0 };
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	bool has;

	text_print_totals(f, r, &options);
	fclose(f);
	has = strstr(text, wanted);
	free(text);
	return has;
}

static void test_phantoms_are_a_floor(void **state)
{
	struct symbolizer *sym = symbolizer_new(NULL);

	(void)state;
	for (uint64_t unlisted = 0; unlisted < 2; unlisted++) {
		struct session_writer *w = begin();
		struct report *r;

		add_object(w, 1, 10, 0, 0);
		session_writer_loss(w, LOSS_PHANTOMS, unlisted);
		assert_int_equal(session_writer_finish(w, SESSION_END_STOPPED), 0);
		r = build(sym, NULL);
		assert_true(text_has(r, unlisted ? "not counted: at least 64 bytes in 1 objects" :
						   "not counted: 64 bytes in 1 objects"));
		report_free(r);
	}
	symbolizer_free(sym);
	unlink(path);
}

/* Of a process: its objects, its phantoms, and no totals, which are everybody's. */
static void test_one_process(void **state)
{
	struct session_writer *w = begin();
	struct symbolizer *sym = symbolizer_new(NULL);
	struct report *r;
	uint32_t first = task(w, 7, 7, "first"), second = task(w, 9, 9, "second");

	(void)state;
	for (uint64_t i = 0; i < 8; i++)
		add_object(w, i, 10, 0, i < 2 ? first : second);
	add_kernel_site(w, 1, 0, 100, 92);
	assert_int_equal(session_writer_finish(w, SESSION_END_STOPPED), 0);
	r = build(sym, &(struct report_options){ .pid = 7 });
	assert_int_equal(report_summary(r)->all.count, 1);
	assert_int_equal(report_summary(r)->freed_unseen.count, 1);
	assert_int_equal(report_site_count(r), 1);
	assert_int_equal(report_site(r, 0)->totals.allocated.count, 0);
	report_free(r);
	r = build(sym, &(struct report_options){ .domain = DOMAIN_USER });
	assert_int_equal(report_summary(r)->freed_unseen.count, 0);
	report_free(r);
	symbolizer_free(sym);
	unlink(path);
}

static void add_module(struct session_writer *w, uint64_t start, const char *name)
{
	struct session_module m = {
		.start = start, .end = start + 0x10000, .bias = start,
		.path = session_writer_string(w, name),
	};

	session_writer_module(w, &m);
}

/* The modules of the frames of the site that this object is at, and functions that have names. */
static void assert_frames(const struct report *r, const struct report_site *site, const char *wanted)
{
	char text[256] = "";

	for (uint32_t i = 0; i < site->depth; i++) {
		size_t count;
		const struct symbol_frame *f = symbolizer_frames(report_symbolizer(r),
								 site->locations[i], &count);

		strcat(strcat(strcat(text, f->module), f->function ? f->function : ""), " ");
	}
	assert_string_equal(text, wanted);
}

static void test_recorder_frames(void **state)
{
	static const uint64_t between[] = { 0x40010, 0x10010, 0x30010 };
	static const uint64_t own[] = { 0x10030, 0x10020, 0x30010 };
	struct session_writer *w = begin();
	struct symbolizer *sym = symbolizer_new(NULL);
	struct report *r;

	(void)state;
	add_module(w, 0x10000, "/lib/libleak.so");
	add_module(w, 0x30000, "/bin/program");
	add_module(w, 0x40000, "/lib/libc.so.6");
	for (uint64_t i = 0; i < 3; i++)
		add_object(w, 2 * i, 10, session_writer_stack(w, i ? own : between, 3, STACK_USER, 0), 0);
	assert_int_equal(session_writer_finish(w, SESSION_END_STOPPED), 0);
	r = build(sym, NULL);
	assert_int_equal(report_site_count(r), 2);
	assert_frames(r, report_site(r, 0), "kernel libleak.so(recorder) program ");
	assert_frames(r, report_site(r, 1), "kernel libc.so.6 program ");
	report_free(r);
	symbolizer_free(sym);
	unlink(path);
}

/* ---- two kernels ---- */

/* Two calls in one function of a kernel, whose addresses begin at `offset`. */
static void write_release(const char *release, uint64_t offset)
{
	struct session_krecord r = { .size = 64, .verdict = VERDICT_LIVE };
	struct session_writer *w;

	assert_int_equal(session_writer_create(path, SESSION_KERNEL, SESSION_WRITE_WHOLE, &w), 0);
	session_writer_header(w)->kernel = session_writer_string(w, release);
	for (uint64_t i = 0; i < 2; i++) {
		struct session_ksym k = {
			.addr = 0xffffffff81000000ull + offset + i, .offset = offset + i,
			.name = session_writer_string(w, i ? "second" : "first"),
		};

		session_writer_ksym(w, &k);
		r.stack = session_writer_stack(w, &k.addr, 1, 0, 0);
		r.addr = 0xffff888000000000ull + offset + 64 * i;
		session_writer_krecord(w, &r);
	}
	assert_int_equal(session_writer_finish(w, SESSION_END_STOPPED), 0);
}

static size_t sites_of_two(const char *release)
{
	struct symbolizer *sym = symbolizer_new(NULL);
	struct report *r = report_new(sym, NULL);
	struct session *s[2];
	size_t count;

	for (int i = 0; i < 2; i++) {
		write_release(i ? release : "6.1.0-1", i ? 0x28 : 0x24);
		assert_int_equal(session_open(path, &s[i]), 0);
		assert_int_equal(report_add_session(r, s[i]), 0);
	}
	assert_int_equal(report_build(r), 0);
	assert_int_equal(report_summary(r)->all.count, 4);
	count = report_site_count(r);
	report_free(r);
	symbolizer_free(sym);
	session_close(s[0]);
	session_close(s[1]);
	return count;
}

/* A function is where it is in its kernel; in one kernel other offsets are other calls. */
static void test_releases(void **state)
{
	(void)state;
	assert_int_equal(sites_of_two("6.18.44"), 2);
	assert_int_equal(sites_of_two("6.1.0-1"), 4);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_totals),
		cmocka_unit_test(test_releases),
		cmocka_unit_test(test_task_names),
		cmocka_unit_test(test_phantoms_are_a_floor),
		cmocka_unit_test(test_one_process),
		cmocka_unit_test(test_recorder_frames),
	};
	int fd = mkstemp(path);

	if (fd < 0)
		return 1;
	close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

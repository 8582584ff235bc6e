// SPDX-License-Identifier: MIT
/* Kernel sessions in a report: totals go to the site of their slab cache, also with --combined. */
#include "common/session_writer.h"
#include "report/rank.h"
#include "report/report.h"

#include <setjmp.h>
#include <stdarg.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_totals),
	};
	int fd = mkstemp(path);

	if (fd < 0)
		return 1;
	close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
/* Merging sessions to a report: sums, filters, estimates, forks, and order that doesn't matter. */
#include "report/report.h"
#include "report/filter.h"
#include "report/rank.h"
#include "tests/support/sample.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND 1000000000ull

static char dir[] = "/tmp/report-test-XXXXXX";
static char paths[128][64];
static size_t path_count;

static const char *new_path(void)
{
	snprintf(paths[path_count], sizeof(paths[0]), "%s/%zu", dir, path_count);
	return paths[path_count++];
}

struct built {
	struct symbolizer *sym;
	struct report *r;
};

static struct built build(const struct report_options *o, const char *const *files, size_t count)
{
	struct built b = { .sym = symbolizer_new(NULL) };

	assert_non_null(b.sym);
	b.r = report_new(b.sym, o);
	assert_non_null(b.r);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(report_add_file(b.r, files[i]), 0);
	assert_int_equal(report_build(b.r), 0);
	return b;
}

static struct built build_one(const struct report_options *o, const char *file)
{
	return build(o, &file, 1);
}

static void drop(struct built *b)
{
	report_free(b->r);
	symbolizer_free(b->sym);
}

/* ---- one session ---- */

static void test_sites(void **state)
{
	const char *path = new_path();
	const struct report_site *big, *small;
	struct built b;

	(void)state;
	assert_int_equal(sample_process(path), 0);
	b = build_one(&(struct report_options){ .blocks = true }, path);
	assert_int_equal(report_site_count(b.r), 2);
	big = report_site(b.r, 0);
	small = report_site(b.r, 1);
	assert_int_equal(big->live.bytes, 4096);
	assert_int_equal(big->depth, 3);
	assert_true(big->flags & STACK_CUT);
	assert_int_equal(small->live.count, 5);
	assert_int_equal(small->live.bytes, 80);
	assert_int_equal(small->totals.allocated.count, 9);
	assert_int_equal(small->totals.freed.bytes, 64);
	assert_int_equal(small->totals.peak_bytes, 96);
	assert_int_equal(small->age_max_ns, 40 * SECOND);
	assert_int_equal(small->age_min_ns, 0);
	assert_int_equal(small->block_count, 5);
	assert_int_equal(small->blocks[1].addr, 0x10020);
	assert_int_equal(site_freed(small), 4);
	assert_int_equal(small->point_count, 4);
	/* 16 bytes more every 25 s */
	assert_true(fabs(small->growth - 16 * 60 / 25.0) < 0.01);
	assert_int_equal(report_summary(b.r)->all.bytes, 4176);
	assert_int_equal(report_summary(b.r)->sites_live, 2);
	assert_false(report_summary(b.r)->lossy);
	drop(&b);
}

static uint64_t bytes_with(const struct report_options *o, const char *path)
{
	struct built b = build_one(o, path);
	uint64_t bytes = report_summary(b.r)->all.bytes;

	drop(&b);
	return bytes;
}

static void test_filters(void **state)
{
	const char *path = new_path();
	struct built b;

	(void)state;
	assert_int_equal(sample_process(path), 0);
	assert_int_equal(bytes_with(&(struct report_options){ .older_set = true,
		.older_ns = 30 * SECOND }, path), 4096 + 2 * 16);
	assert_int_equal(bytes_with(&(struct report_options){ .min_size = 17 }, path), 4096);
	assert_int_equal(bytes_with(&(struct report_options){ .max_size = 16 }, path), 80);
	assert_int_equal(bytes_with(&(struct report_options){ .pid = SAMPLE_PID }, path), 4176);
	assert_int_equal(bytes_with(&(struct report_options){ .pid = 1 }, path), 0);
	assert_int_equal(bytes_with(&(struct report_options){ .domain = DOMAIN_KERNEL }, path), 0);
	assert_int_equal(bytes_with(&(struct report_options){ .module = "sample" }, path), 4176);
	assert_int_equal(bytes_with(&(struct report_options){ .module = "other" }, path), 0);
	assert_int_equal(bytes_with(&(struct report_options){ .combined = true }, path), 4176);
	b = build_one(&(struct report_options){ .top = 1 }, path);
	assert_int_equal(report_site_count(b.r), 1);
	assert_int_equal(report_summary(b.r)->all.bytes, 4176);
	assert_int_equal(report_summary(b.r)->hidden.bytes, 80);
	drop(&b);
}

static uint64_t first_bytes(enum report_sort sort, const char *path)
{
	struct built b = build_one(&(struct report_options){ .sort = sort }, path);
	uint64_t bytes = report_site(b.r, 0)->live.bytes;

	drop(&b);
	return bytes;
}

static void test_sort(void **state)
{
	const char *path = new_path();

	(void)state;
	assert_int_equal(sample_process(path), 0);
	assert_int_equal(first_bytes(SORT_BYTES, path), 4096);
	assert_int_equal(first_bytes(SORT_COUNT, path), 80);
	assert_int_equal(first_bytes(SORT_AGE, path), 4096);
	assert_int_equal(first_bytes(SORT_GROWTH, path), 80);
}

static void test_kernel(void **state)
{
	const char *path = new_path();
	const struct report_summary *sum;
	struct built b;
	size_t count;

	(void)state;
	assert_int_equal(sample_kernel(path), 0);
	b = build_one(NULL, path);
	sum = report_summary(b.r);
	assert_int_equal(report_site_count(b.r), 2);
	assert_string_equal(report_site(b.r, 0)->cache, "kmalloc-4k");
	assert_string_equal(report_site(b.r, 1)->cache, "filp");
	assert_int_equal(report_site(b.r, 1)->live.count, 2);
	assert_int_equal(report_site(b.r, 1)->verdicts[VERDICT_FREED], 1);
	assert_int_equal(sum->freed_unseen.count, 1);
	assert_int_equal(sum->live[KIND_SLAB].bytes, 4096 + 512);
	assert_true(sum->lossy);
	assert_string_equal(symbolizer_frames(b.sym, report_site(b.r, 1)->locations[1],
					      &count)->function, "alloc_empty_file");
	drop(&b);
}

/* ---- names ---- */

static uint64_t suppressed_by(const char *line, const char *session)
{
	const char *path = new_path();
	struct suppressions *s = NULL;
	unsigned int at;
	FILE *f = fopen(path, "w");
	struct built b;
	uint64_t count;

	assert_non_null(f);
	fprintf(f, "# known\n\n%s\n", line);
	fclose(f);
	assert_int_equal(suppressions_load(path, &s, &at), 0);
	b = build_one(&(struct report_options){ .suppressions = s }, session);
	count = report_summary(b.r)->suppressed.count;
	assert_int_equal(suppression_get(s, 0)->live.count, count);
	assert_null(suppression_get(s, 1));
	assert_int_equal(report_summary(b.r)->all.count, 3 - count);
	drop(&b);
	suppressions_free(s);
	return count;
}

static void test_suppressions(void **state)
{
	const char *session = new_path();

	(void)state;
	assert_int_equal(sample_kernel(session), 0);
	assert_int_equal(suppressed_by("leak:alloc_empty_file", session), 3);
	assert_int_equal(suppressed_by("leak:empty", session), 3);
	assert_int_equal(suppressed_by("leak:^alloc*file$", session), 3);
	assert_int_equal(suppressed_by("leak:^empty", session), 0);
	assert_int_equal(suppressed_by("leak:empty$", session), 0);
	assert_int_equal(suppressed_by("leak:^path_openat$", session), 3);
	assert_int_equal(suppressed_by("leak:^path_open$", session), 0);
	assert_int_equal(suppressed_by("leak:a*z*file", session), 0);
	assert_int_equal(suppressed_by("leak:kmalloc-4k", session), 1);
}

static void test_bad_suppression(void **state)
{
	const char *path = new_path();
	struct suppressions *s = NULL;
	unsigned int line;
	FILE *f = fopen(path, "w");

	(void)state;
	assert_non_null(f);
	fputs("leak:fine\nrace:other\n", f);
	fclose(f);
	assert_int_equal(suppressions_load(path, &s, &line), -EINVAL);
	assert_int_equal(line, 2);
	assert_null(s);
	assert_int_equal(suppressions_load("/nonexistent", &s, &line), -ENOENT);
}

static void test_regex(void **state)
{
	const char *session = new_path();
	struct regex_list *list = regex_list_new();
	char *why = NULL;

	(void)state;
	assert_int_equal(sample_kernel(session), 0);
	assert_int_equal(regex_list_add(list, "(", &why), -EINVAL);
	assert_non_null(why);
	free(why);
	assert_int_equal(regex_list_add(list, "^kmalloc-[0-9]k$", &why), 0);
	assert_int_equal(bytes_with(&(struct report_options){ .include = list }, session), 4096);
	assert_int_equal(bytes_with(&(struct report_options){ .exclude = list }, session), 512);
	assert_int_equal(regex_list_add(list, "openat", &why), 0);
	assert_int_equal(bytes_with(&(struct report_options){ .include = list }, session), 4608);
	regex_list_free(list);
}

/* ---- fork ---- */

static void write_child(const char *path)
{
	static const uint64_t frames[] = { SAMPLE_BASE + 0x110, SAMPLE_BASE + 0x220 };
	struct session_writer *w;
	struct session_header *h;
	struct session_block r;

	assert_int_equal(sample_begin(path, SESSION_WRITE_WHOLE, &w), 0);
	h = session_writer_header(w);
	h->pid = SAMPLE_PID + 1;
	h->start_ticks = 888;
	h->parent_pid = SAMPLE_PID;
	h->parent_start_ticks = 777;
	r = sample_record(0x10000, 16, session_writer_stack(w, frames, 2, 0, 0), 50);
	r.inherited = true;
	session_writer_record(w, &r);
	r = sample_record(0x30000, 100, session_writer_stack(w, frames, 2, 0, 0), 5);
	session_writer_record(w, &r);
	assert_int_equal(session_writer_finish(w, SESSION_END_EXIT), 0);
}

static void check_child(const struct report_options *o, const char *const *files, size_t count,
			uint64_t live, uint64_t total)
{
	struct built b = build(o, files, count);

	assert_int_equal(report_summary(b.r)->all.bytes, live);
	assert_int_equal(report_summary(b.r)->inherited.bytes, 16);
	assert_int_equal(report_summary(b.r)->all.count, total);
	drop(&b);
}

static void test_inherited(void **state)
{
	const char *files[] = { new_path(), new_path() };
	const char *reverse[] = { files[1], files[0] };

	(void)state;
	write_child(files[0]);
	assert_int_equal(sample_process(files[1]), 0);
	check_child(NULL, files, 1, 116, 2);
	check_child(NULL, files, 2, 4176 + 100, 7);
	check_child(NULL, reverse, 2, 4176 + 100, 7);
	check_child(&(struct report_options){ .inherited_apart = true }, files, 1, 100, 1);
}

/* ---- sampling ---- */

/* Records as a sampler by bytes would, each block with its own chance. */
static double write_sampled(const char *path, double mean, uint64_t blocks)
{
	static const uint64_t frames[] = { SAMPLE_BASE + 0x110 };
	struct session_writer *w;
	struct session_header *h;
	double truth = 0;

	assert_int_equal(sample_begin(path, SESSION_WRITE_WHOLE, &w), 0);
	h = session_writer_header(w);
	h->sampling = SAMPLE_BYTES;
	h->mean_count = 2;
	h->sample_mean[1] = (uint64_t)mean;
	for (uint64_t i = 0; i < blocks; i++) {
		uint64_t size = 16 + (uint64_t)random() % 2000;
		struct session_block r = sample_record(0x10000 + 4096 * i, size,
			session_writer_stack(w, frames, 1, 0, 0), 1);

		truth += (double)size;
		r.mean = 1;
		if ((double)random() / RAND_MAX < 1 - exp(-(double)size / mean))
			session_writer_record(w, &r);
	}
	assert_int_equal(session_writer_finish(w, SESSION_END_EXIT), 0);
	return truth;
}

/* Over many runs the truth lies within the 95 % bound about 95 times in 100. */
static void test_estimates(void **state)
{
	const char *path = new_path();
	int within = 0;

	(void)state;
	srandom(42);
	for (int run = 0; run < 100; run++) {
		double truth = write_sampled(path, 8000, 1000);
		struct built b = build_one(NULL, path);
		const struct figure *f = &report_summary(b.r)->all;

		assert_true(report_summary(b.r)->sampled);
		assert_true(figure_bound(f->var_bytes) > 0);
		assert_true(f->bytes < truth);
		within += fabs(f->est_bytes - truth) <= figure_bound(f->var_bytes);
		drop(&b);
	}
	assert_in_range(within, 86, 100);
}

/* ---- any order ---- */

#define SESSIONS 100

static void write_random(const char *path, uint32_t pid, uint64_t *bytes, uint64_t *count)
{
	uint64_t base = SAMPLE_BASE + 0x100000ull * pid;	/* elsewhere in each process */
	struct session_module m = { .start = base, .end = base + 0x10000, .bias = base };
	struct session_writer *w;
	int blocks = (int)(random() % 30);

	assert_int_equal(sample_begin(path, SESSION_WRITE_WHOLE, &w), 0);
	session_writer_header(w)->pid = pid;
	m.path = session_writer_string(w, "/opt/shared.so");
	session_writer_module(w, &m);
	for (int i = 0; i < blocks; i++) {
		uint64_t size = (uint64_t)random() % 5000;
		uint64_t frames[] = { base + 0x10 * ((uint64_t)random() % 8), base + 0x500 };
		struct session_block r = sample_record(0x10000 + 32 * (uint64_t)i, size,
			session_writer_stack(w, frames, 2, 0, 0), (uint64_t)random() % 90);

		session_writer_record(w, &r);
		*bytes += size;
		++*count;
	}
	assert_int_equal(session_writer_finish(w, SESSION_END_EXIT), 0);
}

static void check_equal(const struct report *a, const struct report *b)
{
	assert_int_equal(report_site_count(a), report_site_count(b));
	for (size_t i = 0; i < report_site_count(a); i++) {
		const struct report_site *x = report_site(a, i), *y = report_site(b, i);

		assert_true(x->fingerprint == y->fingerprint);
		assert_memory_equal(&x->live, &y->live, sizeof(x->live));
		assert_memory_equal(x->ages, y->ages, sizeof(x->ages));
		assert_int_equal(x->age_max_ns, y->age_max_ns);
		assert_int_equal(x->holding_count, y->holding_count);
	}
}

static void test_any_order(void **state)
{
	const char *files[SESSIONS];
	uint64_t bytes = 0, count = 0;
	struct built first, again;

	(void)state;
	srandom(7);
	path_count = 0;
	for (size_t i = 0; i < SESSIONS; i++) {
		files[i] = new_path();
		write_random(files[i], (uint32_t)(1000 + i), &bytes, &count);
	}
	first = build(NULL, files, SESSIONS);
	assert_int_equal(report_summary(first.r)->all.bytes, bytes);
	assert_int_equal(report_summary(first.r)->all.count, count);
	assert_int_equal(report_site_count(first.r), 8);
	for (int round = 0; round < 3; round++) {
		for (size_t i = SESSIONS; i-- > 1;) {
			size_t j = (size_t)random() % (i + 1);
			const char *swap = files[i];

			files[i] = files[j];
			files[j] = swap;
		}
		again = build(NULL, files, SESSIONS);
		check_equal(first.r, again.r);
		drop(&again);
	}
	drop(&first);
}

static int clean(void **state)
{
	char path[64];

	(void)state;
	for (size_t i = 0; i < 128; i++) {
		snprintf(path, sizeof(path), "%s/%zu", dir, i);
		unlink(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sites),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_suppressions),
		cmocka_unit_test(test_bad_suppression),
		cmocka_unit_test(test_regex),
		cmocka_unit_test(test_inherited),
		cmocka_unit_test(test_estimates),
		cmocka_unit_test(test_any_order),
	};

	if (!mkdtemp(dir))
		return 1;
	return cmocka_run_group_tests(tests, NULL, clean);
}

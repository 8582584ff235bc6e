// SPDX-License-Identifier: MIT
/* pprof.c - profiles with room for few samples: at most so many, and the same sums. */
#include "report/pprof.h"

#include "tests/support/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#define SITES 300u
#define PROFILE_MAX (1u << 20)

static char path[] = "/tmp/pprof-test-XXXXXX";

/* What a profile holds: the fields of profile.proto that the test is about. */
struct profile {
	size_t samples, locations;
	uint64_t sum[4];
	uint64_t last[4];	/* of the last sample */
};

/* Stack n holds n + 1 blocks of 100 bytes. */
static void write_session(void)
{
	struct session_writer *w;
	uint64_t n = 0;

	assert_int_equal(sample_begin(path, SESSION_WRITE_WHOLE, &w), 0);
	for (uint64_t site = 0; site < SITES; site++) {
		uint64_t frames[] = { SAMPLE_BASE + 0x10 * site, SAMPLE_BASE + 0x8000 };
		uint32_t stack = session_writer_stack(w, frames, 2, 0, 0);
		struct session_site totals = {
			.stack = stack, .alloc_count = site + 1, .alloc_bytes = 100 * (site + 1),
		};

		session_writer_site(w, &totals);
		for (uint64_t i = 0; i <= site; i++, n++) {
			struct session_block b = sample_record(0x10000 + 4096 * n, 100, stack, 1);

			session_writer_record(w, &b);
		}
	}
	assert_int_equal(session_writer_finish(w, SESSION_END_EXIT), 0);
}

static size_t unzipped(unsigned char *zipped, size_t len, unsigned char *out)
{
	z_stream z = { .next_in = zipped, .avail_in = (uInt)len, .next_out = out,
		       .avail_out = PROFILE_MAX };

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	inflateEnd(&z);
	return PROFILE_MAX - z.avail_out;
}

static uint64_t varint(const unsigned char **p)
{
	uint64_t value = 0;
	int shift = 0;

	do {
		value |= (uint64_t)(**p & 0x7f) << shift;
		shift += 7;
	} while (*(*p)++ & 0x80);
	return value;
}

/* The values of a sample (its field 2, packed). */
static void read_sample(struct profile *profile, const unsigned char *p, const unsigned char *end)
{
	profile->samples++;
	while (p < end) {
		uint64_t key = varint(&p), len = key & 7 ? varint(&p) : (varint(&p), 0);

		if (key >> 3 == 2) {
			for (int i = 0; i < 4; i++)
				profile->sum[i] += profile->last[i] = varint(&p);
			continue;
		}
		p += len;
	}
}

static struct profile read_profile(const unsigned char *p, size_t len)
{
	const unsigned char *end = p + len;
	struct profile profile = { 0 };

	while (p < end) {
		uint64_t key = varint(&p), n = key & 7 ? varint(&p) : (varint(&p), 0);

		if (key >> 3 == 2)
			read_sample(&profile, p, p + n);
		profile.locations += key >> 3 == 4;
		p += n;
	}
	return profile;
}

static struct profile written(const struct report *r, size_t samples_max)
{
	const struct pprof_options options = { .samples_max = samples_max };
	unsigned char *plain = malloc(PROFILE_MAX);
	struct profile profile;
	char *zipped = NULL;
	size_t len;
	FILE *f = open_memstream(&zipped, &len);

	assert_non_null(plain);
	assert_int_equal(pprof_write(f, r, &options), 0);
	fclose(f);
	profile = read_profile(plain, unzipped((unsigned char *)zipped, len, plain));
	free(zipped);
	free(plain);
	return profile;
}

static void test_samples_max(void **state)
{
	struct symbolizer *sym = symbolizer_new(NULL);
	struct report *r = report_new(sym, NULL);
	struct profile all, few;

	(void)state;
	write_session();
	assert_int_equal(report_add_file(r, path), 0);
	assert_int_equal(report_build(r), 0);
	all = written(r, 0);
	assert_int_equal(all.samples, SITES);
	assert_int_equal(all.locations, SITES + 1);
	assert_int_equal(all.sum[2], SITES * (SITES + 1) / 2);
	assert_int_equal(all.sum[3], 100 * SITES * (SITES + 1) / 2);
	few = written(r, 100);
	assert_true(few.samples <= 100 && few.samples > 90);
	assert_int_equal(few.locations, few.samples + 1);	/* the callers', and no others' */
	assert_memory_equal(few.sum, all.sum, sizeof(all.sum));
	/* it stands for the smallest */
	assert_int_equal(few.last[2], (SITES - few.samples + 1) * (SITES - few.samples + 2) / 2);
	assert_memory_equal(written(r, SITES + 1).sum, all.sum, sizeof(all.sum));
	assert_int_equal(written(r, SITES + 2).samples, SITES);
	report_free(r);
	symbolizer_free(sym);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_samples_max) };
	int failed;

	close(mkstemp(path));
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}

// SPDX-License-Identifier: MIT
/* The settings in LIBLEAK: every key, its limits, and what is said about wrong values. */
#include "preload/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char said[2048];
static int complaints;

static void complain(const char *line)
{
	complaints++;
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s", line);
	assert_int_equal(line[strlen(line) - 1], '\n');
}

static struct config parsed(const char *text)
{
	struct config cfg;

	complaints = 0;
	said[0] = '\0';
	config_defaults(&cfg);
	config_parse(&cfg, text, complain);
	return cfg;
}

/* Like parsed(), of a text that must not be complained about. */
static struct config good(const char *text)
{
	struct config cfg = parsed(text);

	if (complaints)
		fail_msg("%s: %s", text, said);
	return cfg;
}

/* One complaint that names the key, and nothing is changed. */
static void bad(const char *text)
{
	struct config defaults, cfg = parsed(text);
	char key[64];

	config_defaults(&defaults);
	snprintf(key, sizeof(key), "%.*s", (int)strcspn(text, "="), text);
	if (complaints != 1 || !strstr(said, key))
		fail_msg("%s: %d complaints: %s", text, complaints, said);
	assert_memory_equal(&cfg, &defaults, sizeof(cfg));
}

static void nothing_is_the_default(void **state)
{
	struct config defaults, cfg = good("");

	(void)state;
	config_defaults(&defaults);
	assert_memory_equal(&cfg, &defaults, sizeof(cfg));
	assert_true(cfg.report && cfg.mmap && cfg.follow && !cfg.trace);
	assert_int_equal(cfg.sampling, SAMPLE_ALL);
	assert_string_equal(cfg.output, "");
	cfg = good(",,,");
	assert_memory_equal(&cfg, &defaults, sizeof(cfg));
}

static void every_setting_is_taken(void **state)
{
	struct config cfg = good("output=/tmp/%n.%p,report=none,older=1500ms,sample=512k,depth=20,mmap=0,"
				 "min=64,max=4k,follow=0,trace=1,max-stacks=1000,max-file=16m,top=7");

	(void)state;
	assert_string_equal(cfg.output, "/tmp/%n.%p");
	assert_false(cfg.report || cfg.mmap || cfg.follow);
	assert_true(cfg.trace);
	assert_int_equal(cfg.older_ns, 1500000000);
	assert_int_equal(cfg.sampling, SAMPLE_BYTES);
	assert_int_equal(cfg.sample_mean, 512 << 10);
	assert_int_equal(cfg.depth, 20);
	assert_int_equal(cfg.min_size, 64);
	assert_int_equal(cfg.max_size, 4096);
	assert_int_equal(cfg.max_stacks, 1000);
	assert_int_equal(cfg.max_bytes, 16 << 20);
	assert_int_equal(cfg.top, 7);
}

static void samples(void **state)
{
	(void)state;
	assert_int_equal(good("sample=1/100").sampling, SAMPLE_COUNT);
	assert_int_equal(good("sample=1/100").sample_mean, 100);
	assert_int_equal(good("sample=all").sampling, SAMPLE_ALL);
	assert_int_equal(good("sample=1").sampling, SAMPLE_ALL);
	assert_int_equal(good("sample=1/1").sampling, SAMPLE_ALL);
	assert_int_equal(good("sample=64k,sample=all").sampling, SAMPLE_ALL);
	assert_int_equal(good("sample=2M").sample_mean, 2 << 20);
	assert_int_equal(good("sample=1024g").sample_mean, 1ull << 40);
	bad("sample=1025g");
	bad("sample=0");
	bad("sample=1/0");
	bad("sample=1/4294967296");
	bad("sample=1/2/3");
	bad("sample=half");
	bad("sample=");
	bad("sample=-1");
}

static void times(void **state)
{
	(void)state;
	assert_int_equal(good("older=5").older_ns, 5000000000);
	assert_int_equal(good("older=5s").older_ns, 5000000000);
	assert_int_equal(good("older=20us").older_ns, 20000);
	assert_int_equal(good("older=2m").older_ns, 120000000000);
	assert_int_equal(good("older=1h").older_ns, 3600000000000);
	bad("older=5 s");
	bad("older=5d");
	bad("older=99999999999999999999");
	bad("older=18446744074s");	/* more nanoseconds than 64 bits hold */
}

static void sizes(void **state)
{
	(void)state;
	assert_int_equal(good("min=0").min_size, 0);
	assert_int_equal(good("min=1K").min_size, 1024);
	assert_int_equal(good("min=3b").min_size, 3);
	assert_int_equal(good("max=17179869183g").max_size, 17179869183ull << 30);
	assert_int_equal(good("max-file=1m").max_bytes, 1 << 20);
	bad("max=17179869184g");
	bad("max=0");
	bad("min=k");
	bad("min=0x10");
	bad("max-file=1048575");
	bad("max-file=2000g");
}

static void limits(void **state)
{
	(void)state;
	assert_int_equal(good("depth=1").depth, 1);
	assert_int_equal(good("depth=256").depth, 256);
	assert_int_equal(good("max-stacks=16").max_stacks, 16);
	assert_int_equal(good("max-stacks=4194303").max_stacks, 4194303);
	bad("depth=0");
	bad("depth=257");
	bad("depth=4294967297");	/* 1 in 32 bits */
	bad("max-stacks=15");
	bad("max-stacks=4194304");
	bad("top=0");
	bad("mmap=2");
	bad("mmap=yes");
	bad("mmap=");
	bad("mmap");
	bad("report=stdout");
	bad("output=");
	bad("nonsense=1");
	bad("nonsense");
	bad("=1");
}

/* The rest counts although one setting is wrong. */
static void one_wrong_setting_spoils_no_other(void **state)
{
	struct config cfg = parsed("depth=12,color=blue,mmap=0");

	(void)state;
	assert_int_equal(complaints, 1);
	assert_int_equal(cfg.depth, 12);
	assert_false(cfg.mmap);
}

static void long_texts(void **state)
{
	char text[4096];
	struct config cfg;

	(void)state;
	snprintf(text, sizeof(text), "output=/%0*d,depth=9", CONFIG_PATH_MAX - 2, 0);
	cfg = good(text);
	assert_int_equal(strlen(cfg.output), CONFIG_PATH_MAX - 1);
	assert_int_equal(cfg.depth, 9);
	for (int len = CONFIG_PATH_MAX - 1; len < 3000; len += 100) {
		snprintf(text, sizeof(text), "output=/%0*d,depth=9", len, 0);
		cfg = parsed(text);
		assert_int_equal(complaints, 1);
		assert_string_equal(cfg.output, "");
		assert_int_equal(cfg.depth, 9);
	}
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	parsed(text);
	assert_int_equal(complaints, 1);
}

static void expands(const char *pattern, const char *wanted)
{
	char out[64];

	assert_true(config_expand(pattern, 42, "prog", out, sizeof(out)));
	assert_string_equal(out, wanted);
}

static void patterns(void **state)
{
	char out[8] = "kept";

	(void)state;
	expands("/tmp/%n.%p.leak", "/tmp/prog.42.leak");
	expands("%%p", "%p");
	expands("100%", "100%");
	expands("", "");
	assert_true(config_expand("%p%p%p", 42, "", out, sizeof(out)));
	assert_string_equal(out, "424242");
	assert_true(config_expand("1234567", 42, "", out, sizeof(out)));
	assert_false(config_expand("12345678", 42, "", out, sizeof(out)));
	assert_false(config_expand("%n", 42, "far too long", out, sizeof(out)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_the_default),
		cmocka_unit_test(every_setting_is_taken),
		cmocka_unit_test(samples),
		cmocka_unit_test(times),
		cmocka_unit_test(sizes),
		cmocka_unit_test(limits),
		cmocka_unit_test(one_wrong_setting_spoils_no_other),
		cmocka_unit_test(long_texts),
		cmocka_unit_test(patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

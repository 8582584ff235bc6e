// SPDX-License-Identifier: MIT
/* The option table: parsing, help, checks, and the forms of arguments. */
#include "common/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { OPT_LONG = 256, OPT_FILE };

static const struct option_def defs[] = {
	{ 'a', "all", NULL, "show all", 0 },
	{ 'n', "name", "NAME", "a name", 0 },
	{ OPT_LONG, "long-only", "N", "an option that has only a long form and much to say about "
	  "what it does and why one might want it", 0 },
	{ OPT_FILE, "file", "FILE", "write to FILE", OPTION_ARG_OPTIONAL | OPTION_NEXT_WORD },
};
static const char *const usage[] = { "[options] [word]...", "-a", NULL };
static const struct option_table table = {
	"prog", usage, "Does things.", defs, sizeof(defs) / sizeof(*defs), "The end."
};

struct seen {
	char text[256];
};

static int note(void *ctx, int id, const char *arg)
{
	struct seen *seen = ctx;
	size_t len = strlen(seen->text);

	snprintf(seen->text + len, sizeof(seen->text) - len, "%d=%s;", id, arg ? arg : "");
	return id == OPTION_WORD && !strcmp(arg, "refuse") ? -EPERM : 0;
}

#define PARSE(...) \
	char *argv[] = { "prog", __VA_ARGS__, NULL }; \
	int argc = sizeof(argv) / sizeof(*argv) - 1, rest = -1; \
	struct seen seen = { "" }; \
	int rc = options_parse(&table, argc, argv, note, &seen, &rest)

static void options_and_words_come_in_order(void **state)
{
	PARSE("1", "-an", "x", "2", "--long-only=7", "--name", "--", "3");

	(void)state;
	assert_int_equal(rc, 0);
	assert_string_equal(seen.text, "1=1;97=;110=x;1=2;256=7;110=--;1=3;");
	assert_int_equal(rest, argc);
}

static void two_dashes_end_the_options(void **state)
{
	PARSE("5", "--", "./app", "-a");

	(void)state;
	assert_int_equal(rc, 0);
	assert_string_equal(seen.text, "1=5;");
	assert_int_equal(rest, 3);
	assert_string_equal(argv[rest], "./app");
}

static void optional_argument_may_be_the_next_word(void **state)
{
	PARSE("--file", "out", "--file", "-", "--file", "-a", "--file", "5", "--file=7", "--file");

	(void)state;
	assert_int_equal(rc, 0);
	assert_string_equal(seen.text, "257=out;257=-;257=;97=;257=;1=5;257=7;257=;");
}

static void unknown_option_is_refused(void **state)
{
	PARSE("-a", "-x");

	(void)state;
	assert_int_equal(rc, -EINVAL);
	assert_int_equal(rest, -1);
}

static void missing_argument_is_refused(void **state)
{
	PARSE("-n");

	(void)state;
	assert_int_equal(rc, -EINVAL);
}

static void the_callback_can_refuse(void **state)
{
	PARSE("refuse", "-a");

	(void)state;
	assert_int_equal(rc, -EPERM);
	assert_string_equal(seen.text, "1=refuse;");
}

static void help_lists_every_option_in_80_columns(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	options_help(&table, out);
	fclose(out);
	for (size_t i = 0; i < table.count; i++)
		assert_non_null(strstr(text, defs[i].name));
	assert_non_null(strstr(text, "--file [FILE]"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) < 80);
	free(text);
}

static void check_finds_doubles(void **state)
{
	static const struct option_def doubles[] = {
		{ 'a', "all", NULL, "x", 0 }, { 'b', "all", NULL, "y", 0 },
	};
	const struct option_table bad_table = { "prog", usage, NULL, doubles, 2, NULL };
	size_t bad = 99;

	(void)state;
	assert_int_equal(options_check(&table, &bad), 0);
	assert_int_equal(options_check(&bad_table, &bad), -EINVAL);
	assert_int_equal(bad, 1);
}

static void numbers(void **state)
{
	uint64_t v = 42;

	(void)state;
	assert_int_equal(option_number("10", 1, 10, &v), 0);
	assert_int_equal(v, 10);
	assert_int_equal(option_number("11", 1, 10, &v), -ERANGE);
	assert_int_equal(option_number("99999999999999999999", 0, UINT64_MAX, &v), -ERANGE);
	assert_int_equal(option_number("-1", 0, 10, &v), -EINVAL);
	assert_int_equal(option_number("1x", 0, 10, &v), -EINVAL);
	assert_int_equal(option_number("", 0, 10, &v), -EINVAL);
	assert_int_equal(option_number(NULL, 0, 10, &v), -EINVAL);
	assert_int_equal(v, 10);
}

static void sizes(void **state)
{
	uint64_t v = 42;

	(void)state;
	assert_int_equal(option_size("512k", &v), 0);
	assert_int_equal(v, 512 << 10);
	assert_int_equal(option_size("1.5M", &v), 0);
	assert_int_equal(v, 3 << 19);
	assert_int_equal(option_size("2GiB", &v), 0);
	assert_int_equal(v, 2ull << 30);
	assert_int_equal(option_size("18446744073709551615", &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(option_size("99999999T", &v), -ERANGE);
	assert_int_equal(option_size("1e3", &v), -EINVAL);
	assert_int_equal(option_size("k", &v), -EINVAL);
	assert_int_equal(option_size("1kk", &v), -EINVAL);
}

static void seconds(void **state)
{
	uint64_t v = 42;

	(void)state;
	assert_int_equal(option_seconds("5", &v), 0);
	assert_true(v == 5000000000ull);
	assert_int_equal(option_seconds("0.25s", &v), 0);
	assert_int_equal(v, 250000000);
	assert_int_equal(option_seconds("1m", &v), -EINVAL);
	assert_int_equal(option_seconds("nan", &v), -EINVAL);
	assert_int_equal(option_seconds("9999999999", &v), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_and_words_come_in_order),
		cmocka_unit_test(two_dashes_end_the_options),
		cmocka_unit_test(optional_argument_may_be_the_next_word),
		cmocka_unit_test(unknown_option_is_refused),
		cmocka_unit_test(missing_argument_is_refused),
		cmocka_unit_test(the_callback_can_refuse),
		cmocka_unit_test(help_lists_every_option_in_80_columns),
		cmocka_unit_test(check_finds_doubles),
		cmocka_unit_test(numbers),
		cmocka_unit_test(sizes),
		cmocka_unit_test(seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
/* Names and figures for people: escapes, units, demangling, JSON strings. */
#define _GNU_SOURCE 1
#include "common/fmt.h"
#include "report/demangle.h"
#include "report/json_writer.h"
#include "report/symbolize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_name(const char *name, const char *wanted)
{
	char buf[256];

	assert_string_equal(fmt_name_buf(buf, sizeof(buf), name), wanted);
}

static void test_escapes(void **state)
{
	(void)state;
	check_name("plain_name(int)", "plain_name(int)");
	check_name("tab\there", "tab\\x09here");
	check_name("\033[31mred", "\\x1b[31mred");
	check_name("caf\xc3\xa9", "caf\xc3\xa9");
	check_name("\xe2\x80\xaegnp", "\\u{202e}gnp");
	check_name("\xc2\x9b" "31m", "\\u{9b}31m");
	check_name("bad\xff\xfe", "bad\\xff\\xfe");
	check_name("\xc0\xaf", "\\xc0\\xaf");
	check_name("\xed\xa0\x80", "\\xed\\xa0\\x80");
	check_name("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	check_name("cut\xe2\x82", "cut\\xe2\\x82");
}

static void test_cut(void **state)
{
	char buf[8], text[64] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_string_equal(fmt_name_buf(buf, sizeof(buf), "abc\x01 def"), "abc\\x01");
	assert_string_equal(fmt_name_buf(buf, sizeof(buf), "abcd\x01"), "abcd");
	assert_int_equal(fmt_name(f, "0123456789", 4), 7);
	fclose(f);
	assert_string_equal(text, "0123...");
}

static void check_bytes(double bytes, const char *wanted)
{
	char buf[FMT_FIGURE];

	assert_string_equal(fmt_bytes(buf, bytes), wanted);
}

static void check_duration(uint64_t ns, const char *wanted)
{
	char buf[FMT_FIGURE];

	assert_string_equal(fmt_duration(buf, ns), wanted);
}

static void test_figures(void **state)
{
	(void)state;
	check_bytes(0, "0 B");
	check_bytes(1023, "1023 B");
	check_bytes(1024, "1.0 KiB");
	check_bytes(-3250586, "-3.1 MiB");
	check_bytes(150.0 * 1024 * 1024, "150 MiB");
	check_bytes(1e30, "867361737988 EiB");
	check_duration(0, "0 ns");
	check_duration(999, "999 ns");
	check_duration(20000000, "20 ms");
	check_duration(3200000000, "3.2 s");
	check_duration(125000000000, "2 min 5 s");
	check_duration(3 * 3600000000000 + 120000000000, "3 h 2 min");
	check_duration(5 * 86400000000000, "5 d");
}

static void check_demangled(const char *name, const char *wanted)
{
	char *got = demangle(name);

	if (!wanted)
		assert_null(got);
	else
		assert_string_equal(got, wanted);
	free(got);
}

static void test_demangle(void **state)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char bomb[1024];
	size_t used;

	(void)state;
	check_demangled("main", NULL);
	check_demangled("_start", NULL);
	check_demangled("_Z", NULL);
	check_demangled("_ZN3foo3barEi", "foo::bar(int)");
	check_demangled("_ZNSt6vectorIiSaIiEE9push_backEOi",
			"std::vector<int, std::allocator<int> >::push_back(int&&)");
	check_demangled("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad");
	check_demangled("_RNvCs1234_7mycrate3foo", "mycrate::foo");
	/* f(A<int, int>, A<A<int, int>, A<int, int> >, ...): twice as long with each argument. */
	used = (size_t)sprintf(bomb, "_Z1f1AIiiE");
	for (int i = 0; i < 35; i++)
		used += (size_t)sprintf(bomb + used, "S_IS%c_S%c_E", digits[i], digits[i]);
	check_demangled(bomb, NULL);
	bomb[10 + 3 * 10] = 0;
	check_demangled(bomb, "f(A<int, int>, A<A<int, int>, A<int, int> >, "
			"A<A<A<int, int>, A<int, int> >, A<A<int, int>, A<int, int> > >, "
			"A<A<A<A<int, int>, A<int, int> >, A<A<int, int>, A<int, int> > >, "
			"A<A<A<int, int>, A<int, int> >, A<A<int, int>, A<int, int> > > >)");
}

static uint64_t stable_hash(struct symbolizer *sym, const char *function)
{
	uint32_t module = symbolizer_kernel_module(sym, "m", ""), id;

	id = symbolizer_named(sym, module, function, 1, 1, NULL, 0);
	assert_int_equal(symbolizer_resolve(sym, NULL, NULL), 0);
	return symbolizer_stable_hash(sym, id);
}

/* The parts of a function that the compiler split are one to a fingerprint. */
static void test_parts(void **state)
{
	struct symbolizer *sym = symbolizer_new(NULL);
	uint64_t c = stable_hash(sym, "parse"), cpp = stable_hash(sym, "A::get(int)");

	(void)state;
	assert_int_equal(stable_hash(sym, "parse.cold"), c);
	assert_int_equal(stable_hash(sym, "parse.isra.0.part.1"), c);
	assert_int_equal(stable_hash(sym, "A::get(int) [clone .cold]"), cpp);
	assert_int_equal(stable_hash(sym, "A::get(int) [clone .isra.0] [clone .part.1]"), cpp);
	assert_int_not_equal(stable_hash(sym, "A::get(int) [clone ._omp_fn.0]"), cpp);
	assert_int_not_equal(stable_hash(sym, "A::put(int) [clone .cold]"), cpp);
	symbolizer_free(sym);
}

static void test_json(void **state)
{
	char text[256] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");
	struct json j = { .f = f };

	(void)state;
	json_open(&j, NULL, '{');
	json_string(&j, "a", "\"\\\n</script>&\xe2\x80\xa8\xff\xf0\x9f\x98\x80");
	json_string(&j, "b", NULL);
	json_open(&j, "c", '[');
	json_number(&j, NULL, 1.5);
	json_number(&j, NULL, -1.0 / 0.0);
	json_u64(&j, NULL, UINT64_MAX);
	json_i64(&j, NULL, INT64_MIN);
	json_close(&j, ']');
	json_hex(&j, "d", 0xab);
	json_close(&j, '}');
	fclose(f);
	assert_string_equal(text, "{\"a\":\"\\\"\\\\\\u000a\\u003c/script\\u003e\\u0026\\u2028\\ufffd"
			    "\xf0\x9f\x98\x80\",\"b\":null,\"c\":[1.5,null,18446744073709551615,"
			    "-9223372036854775808],\"d\":\"00000000000000ab\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_figures),
		cmocka_unit_test(test_demangle),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

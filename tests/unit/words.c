// SPDX-License-Identifier: MIT
/* Splitting of memleak's -c by the shell's quoting rules. */
#include "preload/words.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The words in brackets, one after the other. */
static void splits(const char *text, const char *wanted)
{
	char got[256] = "";
	char **words = NULL;

	assert_int_equal(words_split(text, &words), 0);
	for (size_t i = 0; words[i]; i++) {
		size_t len = strlen(got);

		snprintf(got + len, sizeof(got) - len, "[%s]", words[i]);
	}
	assert_string_equal(got, wanted);
	free(words);
}

static void blanks_separate(void **state)
{
	(void)state;
	splits("./app a  b\tc\nd ", "[./app][a][b][c][d]");
	splits("", "");
	splits("  ", "");
	splits("a", "[a]");
}

static void quotes_join(void **state)
{
	(void)state;
	splits("'a b' \"c d\"", "[a b][c d]");
	splits("a'b c'd\"e f\"g", "[ab cde fg]");
	splits("'' \"\"", "[][]");
	splits("'a\\b\"c' \"d'e\"", "[a\\b\"c][d'e]");
}

static void backslashes_quote(void **state)
{
	(void)state;
	splits("a\\ b \\' \\\"", "[a b]['][\"]");
	splits("\"a\\\"b \\\\ \\$ \\` \\n\"", "[a\"b \\ $ ` \\n]");
	splits("a\\\nb \"c\\\nd\"", "[ab][cd]");
}

static void nothing_is_expanded(void **state)
{
	(void)state;
	splits("$HOME * ~ a|b >c & ; `d`", "[$HOME][*][~][a|b][>c][&][;][`d`]");
}

static void open_quotes_are_refused(void **state)
{
	static const char *const texts[] = { "'", "a 'b", "\"", "a \"b\\\"", "\\", "a\\", "'a' \"" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		char **words = (char **)texts;

		assert_int_equal(words_split(texts[i], &words), -EINVAL);
		assert_ptr_equal(words, texts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blanks_separate),
		cmocka_unit_test(quotes_join),
		cmocka_unit_test(backslashes_quote),
		cmocka_unit_test(nothing_is_expanded),
		cmocka_unit_test(open_quotes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

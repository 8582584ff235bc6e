// SPDX-License-Identifier: MIT
/* cmd_common.c - what kagent's commands share: words, numbers, messages. */
#include "kagent/cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("kagent: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	return 1;
}

int take_options(const struct option_table *table, int argc, char **argv, option_set_fn *set,
		 void *ctx)
{
	int rest, err = options_parse(table, argc, argv, set, ctx, &rest);

	for (; !err && rest < argc; rest++)
		err = set(ctx, OPTION_WORD, argv[rest]);
	return err ? -EINVAL : 0;
}

int take_number(const char *option, const char *arg, uint64_t min, uint64_t max, uint64_t *value)
{
	int err = option_number(arg, min, max, value);

	if (err)
		fail("%s wants a number from %llu to %llu", option, (unsigned long long)min,
		     (unsigned long long)max);
	return err ? -EINVAL : 0;
}

int take_interval_word(struct interval_words *w, const char *arg)
{
	if (w->given == 0) {
		if (option_seconds(arg, &w->interval_ns) || w->interval_ns < 10000000) {
			fail("the interval is a number of seconds, 0.01 or more");
			return -EINVAL;
		}
	} else if (w->given > 1 || take_number("count", arg, 1, UINT32_MAX, &w->count)) {
		if (w->given > 1)
			fail("too many words: [interval] [count] is all there is");
		return -EINVAL;
	}
	w->given++;
	return 0;
}

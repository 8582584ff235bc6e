// SPDX-License-Identifier: MIT
/* cmd.h - the commands of kagent: each takes its own arguments and returns the exit code. */
#ifndef KAGENT_CMD_H
#define KAGENT_CMD_H

#include "common/options.h"

#include <stdint.h>

#define EXIT_USAGE 2

int cmd_track(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_procs(int argc, char **argv);
int cmd_slabs(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_uprobe(int argc, char **argv);

/*
 * The [interval] [count] words of a command line: the first word sets interval
 * (seconds, fractions allowed), the second count. 0, or -EINVAL after a message.
 */
struct interval_words {
	uint64_t interval_ns;
	uint64_t count;		/* 0: until stopped */
	int given;
};
int take_interval_word(struct interval_words *w, const char *arg);

/* options_parse() for which words behind "--" are words as well. 0 or -EINVAL after a message. */
int take_options(const struct option_table *table, int argc, char **argv, option_set_fn *set,
		 void *ctx);

/* Parses an option's number and complains on stderr. 0 or -EINVAL. */
int take_number(const char *option, const char *arg, uint64_t min, uint64_t max, uint64_t *value);

/* "kagent: ..." on stderr, names in it escaped by the caller; returns 1. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

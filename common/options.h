// SPDX-License-Identifier: MIT
/*
 * options.h - the options of a command as one table: it drives getopt_long,
 * prints --help, and can be checked against the man page.
 *
 * For command programs, not for libraries: parsing errors are printed on
 * stderr. Not thread-safe (getopt keeps its state in globals).
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * The option's argument may be left out. It is taken from the same word
 * (--name=ARG, -xARG) or, with OPTION_NEXT_WORD too, from the next word, unless
 * that begins with '-' (a lone "-" is taken) or consists of digits and dots only.
 */
#define OPTION_ARG_OPTIONAL	1u
#define OPTION_NEXT_WORD	2u

/* id that options_parse() passes for a word that is no option */
#define OPTION_WORD		1

struct option_def {
	int id;			/* the short letter, or a number > 255: long form only */
	const char *name;	/* long form, without dashes */
	const char *arg;	/* what the argument is called in --help, NULL: takes none */
	const char *help;	/* one sentence, wrapped by options_help(); NULL: not listed */
	unsigned flags;		/* OPTION_* */
};

struct option_table {
	const char *program;
	const char *const *usage;	/* lines, without the program's name, NULL at the end */
	const char *intro;		/* what the command does; may be NULL */
	const struct option_def *defs;
	size_t count;
	const char *outro;		/* examples and the like; may be NULL */
};

/* Takes one option or word; 0, or -errno after having said on stderr what is wrong. */
typedef int option_set_fn(void *ctx, int id, const char *arg);

/*
 * Calls set() for each option and each other word in the order of the command
 * line, up to "--". *rest is the index of the first word behind "--", or argc.
 * 0, -EINVAL for what is not in the table, -ENOMEM, or what set() returned.
 */
int options_parse(const struct option_table *table, int argc, char **argv,
		  option_set_fn *set, void *ctx, int *rest);

/*
 * Is one of these options on the command line (ids ends with 0), or anything behind
 * "--"? Options that are not in the table are passed over, as if they took no argument.
 */
bool options_given(const struct option_table *table, int argc, char **argv, const int *ids);

/* Prints usage, options and examples, for 80 columns. */
void options_help(const struct option_table *table, FILE *out);

/*
 * 0 when the table makes sense: every id and name once, names in lower case,
 * every listed option has help. Otherwise -EINVAL and *bad is the index of the
 * offending entry.
 */
int options_check(const struct option_table *table, size_t *bad);

/* Arguments. 0, -EINVAL: not of that form, -ERANGE: too small or too large. */
int option_number(const char *text, uint64_t min, uint64_t max, uint64_t *value);
/* bytes: 4096, 64k, 512K, 1.5M, 2GiB; the units are powers of 1024 */
int option_size(const char *text, uint64_t *bytes);
/* seconds, with a fraction if wanted: 5, 0.25; -> nanoseconds */
int option_seconds(const char *text, uint64_t *ns);

#endif

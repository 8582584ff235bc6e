// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "common/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HELP_COLUMN	26
#define HELP_WIDTH	79

/* What getopt_long wants, made from the table. */
struct getopt_form {
	char *letters;
	struct option *longs;
};

static void form_free(struct getopt_form *form)
{
	free(form->letters);
	free(form->longs);
}

static int argument_kind(const struct option_def *def)
{
	if (!def->arg)
		return no_argument;
	return def->flags & OPTION_ARG_OPTIONAL ? optional_argument : required_argument;
}

static int form_make(const struct option_table *table, struct getopt_form *form)
{
	char *end;

	/* "-:" in front, then at most a letter and two colons each */
	form->letters = malloc(3 * table->count + 3);
	form->longs = calloc(table->count + 1, sizeof(*form->longs));
	if (!form->letters || !form->longs) {
		form_free(form);
		return -ENOMEM;
	}
	end = stpcpy(form->letters, "-:");
	for (size_t i = 0; i < table->count; i++) {
		const struct option_def *def = &table->defs[i];
		int kind = argument_kind(def);

		form->longs[i] = (struct option){ def->name, kind, NULL, def->id };
		if (def->id > 255)
			continue;
		*end++ = (char)def->id;
		for (int colons = kind; colons > 0; colons--)
			*end++ = ':';
	}
	*end = '\0';
	return 0;
}

static const struct option_def *find_def(const struct option_table *table, int id)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->defs[i].id == id)
			return &table->defs[i];
	return NULL;
}

static bool is_argument_word(const char *word)
{
	if (!word || (word[0] == '-' && word[1]))
		return false;
	return word[strspn(word, "0123456789.")] != '\0';
}

/* The argument of an option whose argument may stand in the next word. */
static const char *next_word(const struct option_def *def, int argc, char **argv)
{
	if (!def || !(def->flags & OPTION_NEXT_WORD) || optind >= argc ||
	    !is_argument_word(argv[optind]))
		return NULL;
	return argv[optind++];
}

static int complain(const struct option_table *table, int code, const char *word)
{
	const struct option_def *def = find_def(table, optopt);

	if (code == ':')
		fprintf(stderr, "%s: option '%s' needs an argument\n", table->program, word);
	else if (def && !def->arg && word[0] == '-' && word[1] == '-')
		fprintf(stderr, "%s: option '--%s' takes no argument\n", table->program, def->name);
	else if (optopt > 0 && optopt < 256 && word[1] != '-')
		fprintf(stderr, "%s: unknown option '-%c'\n", table->program, optopt);
	else
		fprintf(stderr, "%s: unknown or ambiguous option '%s'\n", table->program, word);
	fprintf(stderr, "Try '%s --help'.\n", table->program);
	return -EINVAL;
}

int options_parse(const struct option_table *table, int argc, char **argv,
		  option_set_fn *set, void *ctx, int *rest)
{
	struct getopt_form form;
	int rc = form_make(table, &form);

	optind = 0;	/* glibc: start anew, also in the middle of a word */
	while (!rc) {
		int at = optind ? optind : 1;
		int id = getopt_long(argc, argv, form.letters, form.longs, NULL);
		const char *arg = optarg;

		if (id == -1)
			break;
		if (id == '?' || id == ':') {
			rc = complain(table, id, argv[at]);
			break;
		}
		if (!arg)
			arg = next_word(find_def(table, id), argc, argv);
		rc = set(ctx, id, arg);
	}
	if (!rc)
		*rest = optind;
	form_free(&form);
	return rc;
}

bool options_given(const struct option_table *table, int argc, char **argv, const int *ids)
{
	struct getopt_form form;
	bool given = false;
	int id, said = opterr;

	if (form_make(table, &form))
		return false;
	optind = 0;
	opterr = 0;
	while (!given && (id = getopt_long(argc, argv, form.letters, form.longs, NULL)) != -1)
		for (const int *wanted = ids; *wanted && !given; wanted++)
			given = id == *wanted || (id == ':' && optopt == *wanted);
	opterr = said;
	form_free(&form);
	return given || optind < argc;
}

/* Prints text from column `at` on, broken at blanks to end before HELP_WIDTH. */
static void print_wrapped(const char *text, int at, FILE *out)
{
	while (*text) {
		size_t len = strlen(text), room = (size_t)(HELP_WIDTH - at);

		if (len > room) {
			for (len = room; len && text[len] != ' '; len--)
				;
			if (!len)
				len = strcspn(text, " ");
		}
		fprintf(out, "%.*s\n", (int)len, text);
		text += len;
		while (*text == ' ')
			text++;
		if (*text)
			fprintf(out, "%*s", at, "");
	}
}

static void help_line(const struct option_def *def, FILE *out)
{
	const char *open = "", *close = "";
	int column;

	if (def->flags & OPTION_ARG_OPTIONAL) {
		open = "[";
		close = "]";
	}
	if (def->id <= 255)
		column = fprintf(out, "  -%c, --%s", def->id, def->name);
	else
		column = fprintf(out, "      --%s", def->name);
	if (def->arg)
		column += fprintf(out, " %s%s%s", open, def->arg, close);
	if (column > HELP_COLUMN - 2) {
		fputc('\n', out);
		column = 0;
	}
	fprintf(out, "%*s", HELP_COLUMN - column, "");
	print_wrapped(def->help, HELP_COLUMN, out);
}

void options_help(const struct option_table *table, FILE *out)
{
	for (size_t i = 0; table->usage[i]; i++)
		fprintf(out, "%s %s %s\n", i ? "      " : "usage:", table->program,
			table->usage[i]);
	if (table->intro)
		fprintf(out, "\n%s\n", table->intro);
	fputc('\n', out);
	for (size_t i = 0; i < table->count; i++)
		if (table->defs[i].help)
			help_line(&table->defs[i], out);
	if (table->outro)
		fprintf(out, "\n%s\n", table->outro);
}

static bool entry_ok(const struct option_table *table, size_t at)
{
	const struct option_def *def = &table->defs[at];

	if (!def->name || !*def->name || def->id <= OPTION_WORD || def->id == '?' || def->id == ':')
		return false;
	if (def->help && !*def->help)
		return false;
	for (const char *c = def->name; *c; c++)
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '-')
			return false;
	for (size_t i = 0; i < at; i++)
		if (table->defs[i].id == def->id || !strcmp(table->defs[i].name, def->name))
			return false;
	return true;
}

int options_check(const struct option_table *table, size_t *bad)
{
	for (size_t i = 0; i < table->count; i++) {
		if (entry_ok(table, i))
			continue;
		*bad = i;
		return -EINVAL;
	}
	return 0;
}

int option_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	unsigned long long number;
	char *end;

	if (!text || !isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno || number < min || number > max)
		return -ERANGE;
	*value = number;
	return 0;
}

/*
 * A decimal number, with a fraction if wanted, in front of a unit: strtod would
 * take hexadecimal, exponents, infinity, and the locale's decimal comma.
 */
static int decimal(const char *text, double *value, const char **unit)
{
	double number = 0, place = 1;
	const char *c = text;

	if (!text || !isdigit((unsigned char)*c))
		return -EINVAL;
	for (; isdigit((unsigned char)*c); c++)
		number = number * 10 + (*c - '0');
	if (*c == '.' && isdigit((unsigned char)c[1]))
		for (c++; isdigit((unsigned char)*c); c++)
			number += (*c - '0') * (place /= 10);
	*value = number;
	*unit = c;
	return 0;
}

static int unit_factor(const char *unit, double *factor)
{
	static const char letters[] = "kmgt";
	const char *at;

	*factor = 1;
	if (!*unit || !strcasecmp(unit, "b"))
		return 0;
	at = strchr(letters, tolower((unsigned char)*unit));
	if (!at || (unit[1] && strcasecmp(unit + 1, "b") && strcasecmp(unit + 1, "ib")))
		return -EINVAL;
	*factor = ldexp(1, 10 * (int)(at - letters + 1));
	return 0;
}

int option_size(const char *text, uint64_t *bytes)
{
	const char *unit;
	double value, factor;

	/* whole numbers of bytes exactly, without a detour over floating point */
	if (option_number(text, 0, UINT64_MAX, bytes) == 0)
		return 0;
	if (decimal(text, &value, &unit) || unit_factor(unit, &factor))
		return -EINVAL;
	if (value * factor >= 0x1p63)
		return -ERANGE;
	*bytes = (uint64_t)(value * factor);
	return 0;
}

int option_seconds(const char *text, uint64_t *ns)
{
	const char *unit;
	double value;

	if (decimal(text, &value, &unit) || (*unit && strcmp(unit, "s")))
		return -EINVAL;
	if (value > 1e9)
		return -ERANGE;
	*ns = (uint64_t)(value * 1e9 + 0.5);
	return 0;
}

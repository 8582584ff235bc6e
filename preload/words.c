// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t\n";

/* Copies what stands between two quotes of one kind; NULL when the second is missing. */
static const char *copy_quoted(const char *in, char **out)
{
	char quote = *in++;

	for (; *in != quote; in++) {
		if (!*in)
			return NULL;
		if (quote == '"' && *in == '\\' && in[1] == '\n') {
			in++;
			continue;
		}
		if (quote == '"' && *in == '\\' && in[1] && strchr("\"\\$`", in[1]))
			in++;
		*(*out)++ = *in;
	}
	return in + 1;
}

/* Copies one word, unquoted, with its NUL; returns where it ended, NULL on bad quoting. */
static const char *copy_word(const char *in, char **out)
{
	while (*in && !strchr(blanks, *in)) {
		if (*in == '\'' || *in == '"') {
			in = copy_quoted(in, out);
			if (!in)
				return NULL;
			continue;
		}
		if (*in == '\\') {
			in++;
			if (!*in)
				return NULL;
			if (*in == '\n') {
				in++;
				continue;
			}
		}
		*(*out)++ = *in++;
	}
	*(*out)++ = '\0';
	return in;
}

int words_split(const char *text, char ***words)
{
	size_t len = strlen(text), count = 0;
	size_t slots = len / 2 + 2;	/* a word takes a character and a blank at least */
	char **list = malloc(slots * sizeof(*list) + len + 1);
	char *out;

	if (!list)
		return -ENOMEM;
	out = (char *)(list + slots);
	for (text += strspn(text, blanks); *text; text += strspn(text, blanks)) {
		list[count++] = out;
		text = copy_word(text, &out);
		if (!text) {
			free(list);
			return -EINVAL;
		}
	}
	list[count] = NULL;
	*words = list;
	return 0;
}

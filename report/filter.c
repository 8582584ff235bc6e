// SPDX-License-Identifier: MIT
/* filter.c - which sites a report is about. */
#include "report/filter.h"

#include "common/io.h"
#include "report/report_private.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define SUPPRESSION_FILE_MAX (16u << 20)

struct regex_list {
	regex_t *list;
	size_t count, room;
};

struct suppressions {
	char *text;		/* the file; patterns point into it */
	struct suppression *list;
	size_t count, room;
};

/* ---- regular expressions ---- */

struct regex_list *regex_list_new(void)
{
	return calloc(1, sizeof(struct regex_list));
}

void regex_list_free(struct regex_list *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < list->count; i++)
		regfree(&list->list[i]);
	free(list->list);
	free(list);
}

int regex_list_add(struct regex_list *list, const char *pattern, char **why)
{
	regex_t *grown = array_grow(list->list, list->count, &list->room, sizeof(*grown));
	char text[256];
	int err;

	if (!grown)
		return -ENOMEM;
	list->list = grown;
	err = regcomp(&grown[list->count], pattern, REG_EXTENDED | REG_NOSUB);
	if (!err) {
		list->count++;
		return 0;
	}
	regerror(err, &grown[list->count], text, sizeof(text));
	*why = strdup(text);
	return err == REG_ESPACE || !*why ? -ENOMEM : -EINVAL;
}

static bool regex_matches(const void *arg, const char *s)
{
	const struct regex_list *list = arg;

	for (size_t i = 0; i < list->count; i++)
		if (!regexec(&list->list[i], s, 0, NULL, 0))
			return true;
	return false;
}

/* ---- suppressions ---- */

static int add_suppression(struct suppressions *s, char *line)
{
	struct suppression *list;
	char *end;

	line += strspn(line, " \t");
	end = line + strlen(line);
	while (end > line && strchr(" \t\r", end[-1]))
		*--end = 0;
	if (!*line || *line == '#')
		return 0;
	if (strncmp(line, "leak:", 5) || !line[5])
		return -EINVAL;
	list = array_grow(s->list, s->count, &s->room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	s->list = list;
	list[s->count++] = (struct suppression){ .pattern = line + 5 };
	return 0;
}

int suppressions_load(const char *path, struct suppressions **out, unsigned int *line)
{
	struct suppressions *s = calloc(1, sizeof(*s));
	char *p, *next;
	size_t len;
	int err = s ? io_read_file(path, SUPPRESSION_FILE_MAX, &s->text, &len) : -ENOMEM;

	*line = 0;
	for (p = err ? NULL : s->text; p && !err; p = next) {
		next = strchr(p, '\n');
		if (next)
			*next++ = 0;
		++*line;
		err = add_suppression(s, p);
	}
	if (err) {
		suppressions_free(s);
		return err;
	}
	*out = s;
	return 0;
}

void suppressions_free(struct suppressions *s)
{
	if (!s)
		return;
	free(s->list);
	free(s->text);
	free(s);
}

const struct suppression *suppression_get(const struct suppressions *s, size_t i)
{
	return s && i < s->count ? &s->list[i] : NULL;
}

static bool starts_with(const char *s, const char *pattern, size_t len)
{
	return !strncmp(s, pattern, len);
}

/* The first place where a piece without wildcards is found; NULL: nowhere. */
static const char *find_piece(const char *s, const char *piece, size_t len)
{
	for (; *s; s++)
		if (starts_with(s, piece, len))
			return s;
	return len ? NULL : s;
}

/* '*' is anything, a leading '^' and a trailing '$' are the ends; pieces match leftmost. */
static bool wildcard_matches(const void *arg, const char *s)
{
	const char *p = arg;
	bool anchored = *p == '^';

	p += anchored;
	for (;;) {
		size_t len = strcspn(p, "*");
		bool last = !p[len], at_end = last && len && p[len - 1] == '$';
		const char *at;

		if (at_end) {
			size_t rest = strlen(s), want = len - 1;

			if (rest < want || (anchored && rest != want))
				return false;
			return starts_with(s + rest - want, p, want);
		}
		at = anchored ? (starts_with(s, p, len) ? s : NULL) : find_piece(s, p, len);
		if (!at)
			return false;
		if (last)
			return true;
		s = at + len;
		p += len + 1;
		anchored = false;
	}
}

/* ---- sites ---- */

typedef bool name_matcher(const void *arg, const char *s);

static bool frame_matches(const struct symbol_frame *f, name_matcher *matches, const void *arg)
{
	return (f->function && matches(arg, f->function)) || (f->file && matches(arg, f->file)) ||
	       (*f->module && matches(arg, f->module));
}

static bool site_matches(const struct report *r, const struct report_site *site,
			 name_matcher *matches, const void *arg)
{
	if (site->cache && matches(arg, site->cache))
		return true;
	for (uint32_t i = 0; i < site->depth; i++) {
		size_t count;
		const struct symbol_frame *f = symbolizer_frames(r->sym, site->locations[i],
								 &count);

		for (size_t j = 0; j < count; j++)
			if (frame_matches(&f[j], matches, arg))
				return true;
	}
	return false;
}

static bool has_module(const struct report *r, const struct report_site *site, const char *name)
{
	for (uint32_t i = 0; i < site->depth; i++) {
		const struct symbol_module *m = symbolizer_module_info(r->sym,
			symbolizer_location_module(r->sym, site->locations[i]));

		if (m && (!strcmp(m->name, name) || !strcmp(m->path, name)))
			return true;
	}
	return false;
}

static bool is_suppressed(const struct report *r, const struct report_site *site)
{
	struct suppressions *s = r->options.suppressions;

	for (size_t i = 0; s && i < s->count; i++) {
		if (!site_matches(r, site, wildcard_matches, s->list[i].pattern))
			continue;
		if (site->live.count) {
			s->list[i].sites++;
			figure_add(&s->list[i].live, &site->live);
		}
		return true;
	}
	return false;
}

bool report_wants_site(const struct report *r, const struct report_site *site, bool *suppressed)
{
	const struct report_options *o = &r->options;

	if (o->module && !has_module(r, site, o->module))
		return false;
	if (o->include && !site_matches(r, site, regex_matches, o->include))
		return false;
	if (o->exclude && site_matches(r, site, regex_matches, o->exclude))
		return false;
	*suppressed = is_suppressed(r, site);
	return !*suppressed;
}

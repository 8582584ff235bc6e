// SPDX-License-Identifier: MIT
/* outputs.c - the files that a command writes a report to. */
#include "report/outputs.h"

#include "common/io.h"
#include "common/session_format.h"
#include "report/html.h"
#include "report/ci_formats.h"
#include "report/folded.h"
#include "report/json.h"
#include "report/pprof.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int write_text(FILE *f, const struct report *r, const struct text_options *text)
{
	text_print_stacks(f, r, text);
	text_print_totals(f, r, text);
	text_print_coverage(f, r);
	text_print_losses(f, r);
	return 0;
}

static int write_json(FILE *f, const struct report *r, const struct text_options *text)
{
	(void)text;
	return json_print(f, r);
}

static int write_html(FILE *f, const struct report *r, const struct text_options *text)
{
	(void)text;
	return html_write(f, r, NULL);
}

static int write_folded(FILE *f, const struct report *r, const struct text_options *text)
{
	(void)text;
	folded_print(f, r);
	return 0;
}

static int write_pprof(FILE *f, const struct report *r, const struct text_options *text)
{
	(void)text;
	return pprof_write(f, r, &(struct pprof_options){ .type = PPROF_OUTSTANDING });
}

static int write_junit(FILE *f, const struct report *r, const struct text_options *text)
{
	(void)text;
	junit_print(f, r);
	return 0;
}

static int write_sarif(FILE *f, const struct report *r, const struct text_options *text)
{
	(void)text;
	sarif_print(f, r);
	return 0;
}

typedef int write_fn(FILE *f, const struct report *r, const struct text_options *text);

static write_fn *const writers[OUTPUT_FORMATS] = {
	[OUTPUT_TEXT] = write_text,
	[OUTPUT_JSON] = write_json,
	[OUTPUT_FOLDED] = write_folded,
	[OUTPUT_PPROF] = write_pprof,
	[OUTPUT_JUNIT] = write_junit,
	[OUTPUT_SARIF] = write_sarif,
	[OUTPUT_HTML] = write_html,
};

int outputs_add(struct outputs *o, enum output_format format, const char *path)
{
	for (size_t i = 0; i < o->count; i++)
		if (!strcmp(o->list[i].path, path))
			return -EEXIST;
	if (o->count == OUTPUTS_MAX)
		return -ENOSPC;
	o->list[o->count++] = (struct output){ format, path };
	return 0;
}

bool outputs_is_session(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char magic[sizeof(SESSION_MAGIC) - 1];
	bool is_session;

	if (fd < 0)
		return false;
	is_session = io_pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
		     !memcmp(magic, SESSION_MAGIC, sizeof(magic));
	close(fd);
	return is_session;
}

static const char *cause(int err)
{
	switch (err) {
	case -EEXIST:
		return "it is a session, which a report must not replace";
	case -ENOTSUP:
		return "this build lacks the HTML viewer: build it where node and npm are "
		       "installed, or from a release archive";
	case -EFBIG:
		return "it would be larger than files may be here (ulimit -f)";
	default:
		return strerror(-err);
	}
}

static int write_one(const struct output *o, const struct report *r,
		     const struct text_options *text)
{
	struct io_output *out;
	int err;

	if (outputs_is_session(o->path))
		return -EEXIST;
	err = io_output_open(o->path, &out);
	if (err)
		return err;
	err = writers[o->format](io_output_file(out), r, text);
	/* of a stream that has failed, the commit tells the cause */
	if (!err || ferror(io_output_file(out)))
		return io_output_commit(out);
	io_output_abort(out);
	return err;
}

bool outputs_claim_stdout(const struct outputs *o)
{
	for (size_t i = 0; i < o->count; i++)
		if (!strcmp(o->list[i].path, "-"))
			return true;
	return false;
}

int outputs_write(const struct outputs *o, const struct report *r, const struct text_options *text,
		  const char *program)
{
	int first = 0;

	for (size_t i = 0; i < o->count; i++) {
		struct text_options t = *text;
		int err;

		/* Colours are for the terminal, not for files. */
		t.colour = text->colour && !strcmp(o->list[i].path, "-");
		err = write_one(&o->list[i], r, &t);
		/* A reader that has seen enough (head, less) is no failure to talk about. */
		if (!err)
			continue;
		first = first ? first : err;
		if (err == -EPIPE)
			continue;
		fprintf(stderr, "%s: cannot write %s: %s\n", program, o->list[i].path,
			cause(err));
		first = first ? first : err;
	}
	return first;
}

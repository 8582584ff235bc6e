// SPDX-License-Identifier: MIT
/*
 * outputs.h - the files that a command writes a report to: formats by option, several
 * at once, each whole or not at all. For commands.
 */
#ifndef REPORT_OUTPUTS_H
#define REPORT_OUTPUTS_H

#include "report/report.h"
#include "report/text.h"

#include <stdbool.h>
#include <stddef.h>

enum output_format {
	OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_FOLDED, OUTPUT_PPROF, OUTPUT_JUNIT, OUTPUT_SARIF,
	OUTPUT_HTML, OUTPUT_FORMATS
};

#define OUTPUTS_MAX 16

struct output {
	enum output_format format;
	const char *path;	/* "-": standard output */
};

struct outputs {
	struct output list[OUTPUTS_MAX];
	size_t count;
};

/* 0, or -ENOSPC: too many, -EEXIST: two formats for one file. Does not copy the path. */
int outputs_add(struct outputs *o, enum output_format format, const char *path);

/*
 * An optional argument that may be a file name, or already the first session:
 * true if it names a session file, which no output may overwrite.
 */
bool outputs_is_session(const char *path);

/* Does an output take standard output, so that nothing else is to be printed there? */
bool outputs_claim_stdout(const struct outputs *o);

/*
 * Writes the report to each output. Tries all; the first error is returned and
 * every failure is said on stderr, after `program`. 0 or -errno.
 */
int outputs_write(const struct outputs *o, const struct report *r, const struct text_options *text,
		  const char *program);

#endif

// SPDX-License-Identifier: MIT
/* uprobe_options.h - the wishes of kagent uprobe, from its command line. */
#ifndef KAGENT_UPROBE_OPTIONS_H
#define KAGENT_UPROBE_OPTIONS_H

#include "kagent/cmd.h"

#include <stdbool.h>
#include <stdint.h>

struct uprobe_options {
	struct interval_words words;
	uint64_t pid, older_ms, top, sample, sample_bytes, max_overhead, min_size, max_size, depth, max_objects;
	uint64_t duration_ns;		/* 0: no limit */
	const char *object, *output;
	const char *program;		/* that the process is about to execute; NULL: it runs */
	char **argv;			/* how it is called; NULL at the end */
	const char *children;		/* pattern of the sessions of what it forks and executes, or NULL */
	bool show_allocs, wide, trace;
	bool control;			/* serves a parent: see cmd_uprobe.c */
	bool help;
};

/* Defaults and command line; 0 or -EINVAL after a message on stderr. */
int uprobe_options_parse(struct uprobe_options *o, int argc, char **argv);
void uprobe_options_help(void);

#endif

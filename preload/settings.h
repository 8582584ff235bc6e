// SPDX-License-Identifier: MIT
/*
 * settings.h - memleak's command line, and what it means for the recording.
 */
#ifndef PRELOAD_SETTINGS_H
#define PRELOAD_SETTINGS_H

#include <linux/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "report/outputs.h"

enum settings_action {
	SETTINGS_RUN,		/* launch argv */
	SETTINGS_ATTACH,	/* attach to the pids */
	SETTINGS_KERNEL,	/* neither a program nor a process named */
	SETTINGS_EXIT,		/* --help or --version: done */
};

enum settings_engine {
	ENGINE_AUTO = 0,	/* the shim where it can be loaded, else probes */
	ENGINE_SHIM,		/* libleak.so */
	ENGINE_UPROBE,		/* kagent's uprobes */
};

struct settings {
	enum settings_action action;
	enum settings_engine engine;
	char *const *argv;	/* the program and its arguments, NULL at the end */
	pid_t *pids;
	size_t pid_count;
	int attach_timeout_ms;	/* 0: the default */

	uint64_t interval_ns;
	bool interval_given;
	uint64_t count;		/* interval reports; 0: without limit */
	uint64_t older_ns;
	unsigned int top;	/* 0: all */
	bool trace, show_allocs, combined_only, no_follow, wide;
	bool kernel;		/* kagent runs beside it */
	bool all_threads;	/* reports say what each thread does and holds */

	uint64_t sample_rate;	/* one in so many allocations; 0: not asked for */
	uint64_t sample_bytes;	/* mean distance; 0: not asked for */
	unsigned int max_overhead;	/* percent of the program's CPU time; 0: no limit */
	uint64_t min_size, max_size;	/* bytes; 0: no limit */
	unsigned int depth;	/* 0: the library's default */
	const char *object;
	const char *output;	/* NULL: sessions are not kept */
	struct outputs outputs;	/* files for the last report */
	const char *serve;	/* address to serve the report on; NULL: none */
	const char *serve_token;

	char **words;		/* owner of argv when it was split from -c */
};

/* Fills *s from the command line. 0 or the status for exit(), after having said why. */
int settings_parse(struct settings *s, int argc, char **argv);
void settings_free(struct settings *s);

/*
 * The LIBLEAK settings for sessions named `pattern`; for free(). NULL: no memory.
 */
char *settings_recording(const struct settings *s, const char *pattern);

/*
 * The name of the session of process pid among those named `pattern`, for who writes it
 * in the process's place; program: its path, NULL: what it runs now. several: the name is
 * to hold the pid even if the pattern does not. 0 or -ENAMETOOLONG.
 */
int settings_session_path(const char *pattern, pid_t pid, const char *program, bool several,
			  char path[PATH_MAX]);

/* Where the kernel's session is kept that belongs to sessions named `pattern`. */
void settings_kernel_path(const char *pattern, char path[PATH_MAX]);

/* Can the outputs be written, as far as can be told now? 0 or the status for exit(), as above. */
int settings_check_files(const struct settings *s);

/*
 * --output as an absolute pattern that libleak.so can take: in a directory that
 * exists and can be written to. 0 or the status for exit(), after having said why.
 */
int settings_output_pattern(const struct settings *s, char pattern[PATH_MAX]);

#endif

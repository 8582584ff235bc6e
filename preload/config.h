// SPDX-License-Identifier: MIT
/*
 * config.h - the settings of libleak.so, from one variable:
 * LIBLEAK=key=value,key=value,... (documented in libleak(7)).
 */
#ifndef PRELOAD_CONFIG_H
#define PRELOAD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/session_format.h"

#define CONFIG_PATH_MAX 512

struct config {
	char output[CONFIG_PATH_MAX];	/* pattern; empty: a temporary session */
	bool report;			/* print a report at exit */
	bool mmap;			/* record mmap regions */
	bool follow;			/* forked children record too */
	bool trace;			/* write the ring of events */
	uint8_t sampling;		/* enum session_sampling */
	uint64_t sample_mean;
	uint64_t older_ns;
	uint64_t min_size, max_size;	/* bytes, both included */
	uint64_t max_bytes;		/* of the session file */
	uint32_t depth;
	uint32_t max_stacks;
	uint32_t max_overhead;		/* percent of the program's CPU time, 0: no limit */
	uint32_t top;			/* sites in the exit report, 0: its default */
};

/* A complaint about one setting, for the user: a whole line. */
typedef void config_complain_fn(const char *line);

void config_defaults(struct config *cfg);

/* Applies @text; a wrong value is complained about and keeps its default. */
void config_parse(struct config *cfg, const char *text, config_complain_fn *complain);

/* Expands %p (pid), %n (program name) and %% of @pattern. False: does not fit. */
bool config_expand(const char *pattern, uint32_t pid, const char *name, char *out, size_t size);

#endif

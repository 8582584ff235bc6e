// SPDX-License-Identifier: MIT
/* track.h - the wishes of kagent's main command, from its command line. */
#ifndef KAGENT_TRACK_H
#define KAGENT_TRACK_H

#include "kagent/capture.h"
#include "kagent/cmd.h"
#include "kagent/view.h"
#include "report/outputs.h"

#define TRACK_PATTERNS 64
#define TRACK_PIDS 64

struct track {
	struct interval_words words;
	uint64_t duration_ns;		/* 0: no limit */
	const char *patterns[TRACK_PATTERNS];
	size_t pattern_count;
	uint32_t pids[TRACK_PIDS];
	size_t pid_count;
	uint64_t older_ms, top, min_size, max_size, sample, max_objects, depth;
	const char *comm, *cgroup, *output, *serve, *serve_token;
	struct outputs outputs;		/* files for the last report */
	enum view_by by;
	bool show_allocs, trace, user_stacks, pages, percpu, children, wide;
	bool quiet;			/* no reports as text */
	bool help;
};

/* Defaults and command line; 0 or -EINVAL after a message on stderr. */
int track_parse(struct track *t, int argc, char **argv);
void track_help(void);

#endif

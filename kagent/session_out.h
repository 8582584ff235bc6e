// SPDX-License-Identifier: MIT
/* session_out.h - writes what a capture knows as a kernel session. */
#ifndef KAGENT_SESSION_OUT_H
#define KAGENT_SESSION_OUT_H

#include "kagent/capture.h"

struct session_facts {
	uint32_t sample;	/* 1 in N, 0: all */
	uint64_t older_ns, min_size, max_size;
	uint32_t depth;
	const char *cmdline;
	bool some_tasks;	/* nothing is known of others: slabinfo can't be compared */
};

/*
 * Writes the last snapshot to a new session file, whole or not at all.
 * 0 or -errno.
 */
int session_out_write(struct capture *c, const struct session_facts *facts, const char *path);

#endif

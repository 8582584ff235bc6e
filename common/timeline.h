// SPDX-License-Identifier: MIT
/*
 * timeline.h - what each stack had outstanding at points of time, for a session.
 *
 * Bounded: when there are too many times (TIMELINE_TIMES_MAX) or points, every second
 * time is dropped, and from then on every second call of timeline_begin() says to skip,
 * so that the points that remain are evenly spread over the whole run.
 *
 * Not thread-safe. Calls return 0 or -errno unless said otherwise.
 */
#ifndef COMMON_TIMELINE_H
#define COMMON_TIMELINE_H

#include "common/session_reader.h"
#include "common/session_writer.h"

#include <stdint.h>

#define TIMELINE_TIMES_MAX 512u
#define TIMELINE_POINTS_MAX (1u << 20)

struct timeline;

struct timeline *timeline_new(void);		/* NULL: no memory */
void timeline_free(struct timeline *t);		/* NULL is allowed */

/*
 * Opens a point of time, in ticks since the session's clock.tick0. 1: add what is
 * outstanding now; 0: this time is left out; -ENOMEM.
 */
int timeline_begin(struct timeline *t, uint64_t tick);

/* What a stack has outstanding at the time that was opened last. */
int timeline_add(struct timeline *t, uint32_t stack, uint64_t count, uint64_t bytes);

/* The probability with which a block of `size` bytes was recorded; above 0. */
typedef double timeline_probability_fn(enum session_sampling sampling, double mean, uint64_t size);

/*
 * Opens a time and adds what the blocks of a session make of each stack at that
 * time. A block that was recorded with probability p stands for 1/p blocks;
 * probability NULL: for one.
 */
int timeline_sample(struct timeline *t, struct session *s, uint64_t tick,
		    timeline_probability_fn *probability);

uint32_t timeline_times(const struct timeline *t);

/* Hands the timeline to a writer whose stacks it is about. Its failures are the writer's. */
void timeline_write(const struct timeline *t, struct session_writer *w);

/*
 * Adds the timeline to the file of a session whose writer has ended. -EBUSY: the
 * writer still runs; -EEXIST: it has a timeline; -ENOSPC: no room for more extents;
 * or an error of session_open() or of writing, and then the session is as before.
 */
int timeline_append(const struct timeline *t, const char *path);

/*
 * The same for the file of an open session, which may have no name any more; what
 * was added is to be seen after session_refresh().
 */
int timeline_append_session(const struct timeline *t, const struct session *s);

#endif

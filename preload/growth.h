// SPDX-License-Identifier: MIT
/*
 * growth.h - what each stack had outstanding at intervals: collected while memleak
 * watches, and added to the sessions that have ended, for reports to tell growth.
 *
 * Belongs to one thread.
 */
#ifndef PRELOAD_GROWTH_H
#define PRELOAD_GROWTH_H

#include "preload/follow.h"

/* Takes what all sessions hold now that are still being written. */
void growth_sample(struct follow *follow);

/*
 * Adds what was taken, and what was left at its end, to a session that has ended;
 * once. A session that cannot be written to stays without.
 */
void growth_keep(struct followed *one);

#endif

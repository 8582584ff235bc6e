// SPDX-License-Identifier: MIT
/*
 * injections.h - what a keeper does to the process: loads libleak.so, starts a
 * recording and ends it, each time from a child that does the tracing (inject.h)
 * and can be killed at any moment.
 *
 * Belongs to one thread. Both wait for the process.
 */
#ifndef PRELOAD_INJECTIONS_H
#define PRELOAD_INJECTIONS_H

#include "keeper.h"

/* *m becomes KEEPER_ATTACHED or KEEPER_FAILED; after a failure nothing is recorded. */
void injections_attach(pid_t target, const struct keeper_options *options,
		       struct keeper_message *m);

/* *m becomes KEEPER_DETACHED or KEEPER_FAILED. */
void injections_detach(pid_t target, const struct keeper_options *options,
		       struct keeper_message *m);

#endif

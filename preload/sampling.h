// SPDX-License-Identifier: MIT
/*
 * sampling.h - which mean is in force: the settings' to begin with, and, with
 * max-overhead, larger ones as long as recording costs too much.
 *
 * The means ever used are in the header; a record names the one that chose it, so
 * that its weight stays right. A thread goes on with its mean until its next
 * sample: the gaps of a Poisson process are memoryless, so nothing is lost.
 */
#ifndef PRELOAD_SAMPLING_H
#define PRELOAD_SAMPLING_H

#include <stdint.h>

#include "recorder.h"

/* A new recording: takes the settings over into the header. */
void sampling_begin(void);

/* A thread begins to record. */
void sampling_start(struct thread_state *t);

/* Draws the thread's next gap, by the mean in force now. */
void sampling_draw(struct thread_state *t);

/* What a block of @bytes stands for that was chosen by @mean (REC_MEAN bits). */
double sampling_weight(uint64_t mean, uint64_t bytes);

/*
 * Recording has cost @self_ns of CPU time so far. Raises the mean when that is
 * more than the settings allow; looks at most ten times a second.
 */
void sampling_control(uint64_t self_ns);

#endif

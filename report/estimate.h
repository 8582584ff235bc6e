// SPDX-License-Identifier: MIT
/*
 * estimate.h - what a recorded event stands for when only some were recorded.
 *
 * An event that was recorded with probability p stands for 1/p events
 * (Horvitz & Thompson, JASA 1952); the variance of the sum of such weights is
 * the sum of (1-p)/p^2, and for bytes of (1-p)/p^2 size^2. Sampling by bytes is
 * a Poisson process over the stream of bytes: p = 1 - exp(-size/mean).
 */
#ifndef REPORT_ESTIMATE_H
#define REPORT_ESTIMATE_H

#include "common/session_format.h"
#include "report/report.h"

/* The probability that a block of this size was recorded; 1 when everything was. */
double estimate_probability(enum session_sampling sampling, double mean, uint64_t size);

/* A weight as a session holds it; a damaged one may hold any bit pattern: 0 unless finite. */
double estimate_weight(double from_session);

/* Adds one recorded event of `size` bytes that had probability p. */
void estimate_add(struct figure *f, uint64_t size, double p);

#endif

// SPDX-License-Identifier: MIT
/* totals_out.h - what the BPF programs counted at a site, as a session tells it. Thread-safe. */
#ifndef KAGENT_TOTALS_OUT_H
#define KAGENT_TOTALS_OUT_H

#include "common/session_format.h"
#include "kagent/site_totals.h"

/* Counts, bytes and lifetimes. */
void totals_out(const struct site_totals *from, struct session_site *to);

/* Each of them stands for so many. */
void totals_weigh(struct session_site *site, uint64_t weight);

#endif

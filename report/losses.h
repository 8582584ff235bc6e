// SPDX-License-Identifier: MIT
/* losses.h - what was dropped while recording, in words. */
#ifndef REPORT_LOSSES_H
#define REPORT_LOSSES_H

#include "common/session_format.h"

#include <stdbool.h>

struct loss_text {
	const char *name;	/* stable, for machines: "table-full" */
	const char *text;	/* for people, to follow a count: "allocations not recorded: ..." */
	bool understates;	/* outstanding memory may be more than the report shows */
};

/* For each cause; causes that this program does not know have a text too. Never NULL. */
const struct loss_text *loss_text(unsigned int cause);

#endif

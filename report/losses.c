// SPDX-License-Identifier: MIT
/* losses.c - what was dropped while recording, in words. */
#include "report/losses.h"

#include <stddef.h>

static const struct loss_text texts[LOSS_MAX] = {
	[LOSS_TABLE_FULL] = { "table-full",
		"allocations not recorded: the table of live allocations was full", true },
	[LOSS_STACKS_FULL] = { "stacks-full",
		"allocations without their own stack: max-stacks was reached", false },
	[LOSS_DEPTH_CUT] = { "depth-cut", "distinct stacks deeper than the depth setting", false },
	[LOSS_REENTRANT] = { "reentrant",
		"allocations not recorded: made from a signal handler inside the recorder", true },
	[LOSS_NO_SPACE] = { "no-space",
		"events not recorded: the session could not grow (disk full or size limit)", true },
	[LOSS_NO_MEMORY] = { "no-memory",
		"events not recorded: no memory for the recorder", true },
	[LOSS_BAD_ADDRESS] = { "bad-address",
		"allocations not recorded: address outside 47 bits", true },
	[LOSS_MISSED_FREE] = { "missed-free",
		"frees that were not seen (their address was allocated again)", false },
	[LOSS_UNWIND] = { "unwind", "stacks that end early for want of unwind information", false },
	[LOSS_FORK_RACE] = { "fork-race",
		"inherited blocks left out: they changed during the fork", false },
	[LOSS_TRACE] = { "trace", "trace events overwritten before they were read", false },
	[LOSS_MAP_FULL] = { "map-full",
		"allocations not recorded: the BPF map of live objects was full", true },
	[LOSS_STACK_MAP] = { "stack-map", "kernel allocations without a stack", false },
	[LOSS_RECURSION] = { "recursion",
		"kernel events missed by recursion protection", true },
	[LOSS_RING] = { "ring", "kernel events lost to a full ring buffer", true },
	[LOSS_UNMATCHED_FREE] = { "unmatched-free",
		"frees of objects allocated before the capture (no leak is missed by them)",
		false },
	[LOSS_THREADS] = { "threads", "threads beyond the thread table: shown without a name",
		false },
	[LOSS_MODULES] = { "modules", "modules that could not be recorded", false },
	[LOSS_PHANTOMS] = { "phantoms",
		"objects freed without an event beyond those that are listed", false },
	[LOSS_MISSED_RETURN] = { "missed-return",
		"allocations not recorded: their return was not seen (uprobes)", true },
	[LOSS_PROCESSES] = { "processes",
		"processes not recorded: there was no room for more (uprobes)", true },
};

const struct loss_text *loss_text(unsigned int cause)
{
	static const struct loss_text unknown = {
		"unknown", "events lost for a cause that this program does not know", true
	};

	return cause < LOSS_MAX && texts[cause].name ? &texts[cause] : &unknown;
}

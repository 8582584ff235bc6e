// SPDX-License-Identifier: MIT
/* session_sizes.h - how large an entry of each section is, in this version of the format. */
#ifndef COMMON_SESSION_SIZES_H
#define COMMON_SESSION_SIZES_H

#include "session_format.h"

static const uint32_t session_entry_size[SECT_MAX] = {
	[SECT_STRINGS] = 1,
	[SECT_MODULES] = sizeof(struct session_module),
	[SECT_FRAMES] = sizeof(uint64_t),
	[SECT_STACKS] = sizeof(struct session_stack),
	[SECT_RECORDS] = sizeof(struct session_record),
	[SECT_SITES] = sizeof(struct session_site),
	[SECT_THREADS] = sizeof(struct session_thread),
	[SECT_TRACE] = sizeof(struct session_trace_event),
	[SECT_TIMELINE] = sizeof(struct session_point),
	[SECT_TIMES] = sizeof(uint64_t),
	[SECT_KRECORDS] = sizeof(struct session_krecord),
	[SECT_KSYMS] = sizeof(struct session_ksym),
	[SECT_CACHES] = sizeof(struct session_cache),
	[SECT_TASKS] = sizeof(struct session_task),
	[SECT_RECORD_THREADS] = sizeof(uint16_t),
};

#endif

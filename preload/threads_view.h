// SPDX-License-Identifier: MIT
/*
 * threads_view.h - memleak --all-threads-report: what each thread of a process does,
 * and what it allocated that is outstanding; threads that hold nothing, too.
 */
#ifndef PRELOAD_THREADS_VIEW_H
#define PRELOAD_THREADS_VIEW_H

#include <stdio.h>
#include <sys/types.h>

#include "common/session_reader.h"
#include "report/report.h"

/*
 * Prints a table, those that hold most bytes first. @pid: the process as it is seen
 * here, 0: it has ended. @report: of this session alone, whole (no top). 0 or -ENOMEM.
 */
int threads_view_print(FILE *out, const struct session *session, pid_t pid,
		       const struct report *report);

#endif

// SPDX-License-Identifier: MIT
/*
 * folded.h - one line per stack and process: "comm;outermost;...;innermost BYTES", as
 * flamegraph.pl, inferno and speedscope read it. Kernel functions end in "_[k]",
 * inlined ones in "_[i]", as their palettes expect.
 */
#ifndef REPORT_FOLDED_H
#define REPORT_FOLDED_H

#include "report/report.h"

#include <stdio.h>

/* Outstanding bytes (estimates rounded). Write errors stay in f's error indicator. */
void folded_print(FILE *f, const struct report *r);

#endif

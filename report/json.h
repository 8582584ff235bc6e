// SPDX-License-Identifier: MIT
/* json.h - the whole report for machines; the schema is in docs/json.md. */
#ifndef REPORT_JSON_H
#define REPORT_JSON_H

#include "report/report.h"

#include <stdio.h>

/* Raised when a key changes its meaning or goes away; new keys don't raise it. */
#define REPORT_JSON_VERSION 2

/* 0 or -ENOMEM, and then what was printed is of no use. Write errors stay in f's error indicator. */
int json_print(FILE *f, const struct report *r);

#endif

// SPDX-License-Identifier: MIT
/*
 * ci_formats.h - what is outstanding as CI systems read it.
 *
 * JUnit: one test case per site, each a failure; without any, one that passes.
 *   https://github.com/testmoapp/junitxml
 * SARIF 2.1.0: one result per site, with its stack as a code flow's locations.
 *   https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
 */
#ifndef REPORT_CI_FORMATS_H
#define REPORT_CI_FORMATS_H

#include "report/report.h"

#include <stdio.h>

void junit_print(FILE *f, const struct report *r);
void sarif_print(FILE *f, const struct report *r);

#endif

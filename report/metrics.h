// SPDX-License-Identifier: MIT
/*
 * metrics.h - the report for a monitoring system: gauges of what is outstanding and
 * counters of what was recorded and lost.
 *
 * Formats: OpenMetrics 1.0 (prometheus.io/docs/specs/om/open_metrics_spec), and the
 * older text format 0.0.4 of Prometheus, which wants counters declared with their
 * suffix and no "# EOF".
 *
 * Label values come from sessions: control and direction characters are escaped, and
 * long ones cut. The number of series is bounded: the largest processes and sites.
 */
#ifndef REPORT_METRICS_H
#define REPORT_METRICS_H

#include "report/report.h"

#include <stdio.h>

enum metrics_format { METRICS_PROMETHEUS, METRICS_OPENMETRICS };

#define METRICS_TYPE_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Write errors stay in f's error indicator. 0 or -ENOMEM. */
int metrics_print(FILE *f, const struct report *r, enum metrics_format format);

#endif

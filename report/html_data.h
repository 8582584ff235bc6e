// SPDX-License-Identifier: MIT
/*
 * html_data.h - what the viewer shows, as one compact JSON object. It is private
 * to the viewer of the same build (viewer/src/document.js reads it); programs
 * should use the JSON output, which is documented and stable.
 */
#ifndef REPORT_HTML_DATA_H
#define REPORT_HTML_DATA_H

#include "report/html.h"

/* 0 or -ENOMEM, and then only part was written; errors of the stream are left in it. */
int html_data_write(FILE *out, const struct report *r, const struct html_options *o);

#endif

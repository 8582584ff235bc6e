// SPDX-License-Identifier: MIT
/* html_page.h - the viewer's page as the build script made it; empty without node. */
#ifndef REPORT_HTML_PAGE_H
#define REPORT_HTML_PAGE_H

#include <stddef.h>

extern const char html_page[];
extern const size_t html_page_size;	/* bytes; no NUL */

#endif

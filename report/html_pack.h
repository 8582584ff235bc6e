// SPDX-License-Identifier: MIT
/*
 * html_pack.h - data as it stands in the HTML page: compressed (zlib, RFC 1950) and
 * in base64 (RFC 4648). No text of a session is in the page's source then, and a
 * report of fifty thousand sites is a fifth of its size.
 */
#ifndef REPORT_HTML_PACK_H
#define REPORT_HTML_PACK_H

#include <stddef.h>
#include <stdio.h>

/* 0 or -ENOMEM; errors of the stream are left in it. */
int html_pack(FILE *out, const void *data, size_t len);

#endif

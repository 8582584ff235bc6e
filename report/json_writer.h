// SPDX-License-Identifier: MIT
/*
 * json_writer.h - prints JSON (RFC 8259) token by token: commas, quotes and escapes.
 *
 * Strings may hold any bytes: what is no UTF-8 becomes U+FFFD, and "<", ">", "&"
 * and U+2028/2029 are escaped, so that the text may stand in a script of a page.
 */
#ifndef REPORT_JSON_WRITER_H
#define REPORT_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *f;
	bool comma;	/* something precedes on this level */
};

/* Keys are literals; key NULL within an array. */
void json_open(struct json *j, const char *key, char bracket);	/* '{' or '[' */
void json_close(struct json *j, char bracket);			/* '}' or ']' */
void json_string(struct json *j, const char *key, const char *value);	/* NULL: null */
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_number(struct json *j, const char *key, double value);	/* null unless finite */
void json_bool(struct json *j, const char *key, bool value);
/* A 64-bit id as 16 hexadecimal digits: JavaScript's numbers can't hold it. */
void json_hex(struct json *j, const char *key, uint64_t value);
void json_address(struct json *j, const char *key, uint64_t value);	/* "0x1234" */

#endif

// SPDX-License-Identifier: MIT
/* json_writer.c - prints JSON token by token. */
#include "report/json_writer.h"

#include "common/fmt.h"

#include <inttypes.h>
#include <math.h>

static void print_code(FILE *f, uint32_t code)
{
	if (code > 0xffff) {
		code -= 0x10000;
		fprintf(f, "\\u%04x\\u%04x", 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
	} else {
		fprintf(f, "\\u%04x", code);
	}
}

static void print_string(FILE *f, const char *s)
{
	putc('"', f);
	while (*s) {
		uint32_t code = 0xfffd;
		size_t len = fmt_utf8(s, &code);

		if (!len)
			print_code(f, 0xfffd);
		else if (code == '"' || code == '\\')
			fprintf(f, "\\%c", (char)code);
		else if (fmt_is_hostile(code) || code == '<' || code == '>' || code == '&')
			print_code(f, code);
		else
			fwrite(s, 1, len, f);
		s += len ? len : 1;
	}
	putc('"', f);
}

static void begin(struct json *j, const char *key)
{
	if (j->comma)
		putc(',', j->f);
	j->comma = true;
	if (key)
		fprintf(j->f, "\"%s\":", key);
}

void json_open(struct json *j, const char *key, char bracket)
{
	begin(j, key);
	putc(bracket, j->f);
	j->comma = false;
}

void json_close(struct json *j, char bracket)
{
	putc(bracket, j->f);
	j->comma = true;
}

void json_string(struct json *j, const char *key, const char *value)
{
	begin(j, key);
	if (value)
		print_string(j->f, value);
	else
		fputs("null", j->f);
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	begin(j, key);
	fprintf(j->f, "%" PRIu64, value);
}

void json_i64(struct json *j, const char *key, int64_t value)
{
	begin(j, key);
	fprintf(j->f, "%" PRId64, value);
}

void json_number(struct json *j, const char *key, double value)
{
	begin(j, key);
	if (!isfinite(value))
		fputs("null", j->f);
	else if (value == floor(value) && fabs(value) < 1e15)
		fprintf(j->f, "%.0f", value);
	else
		fprintf(j->f, "%.12g", value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	begin(j, key);
	fputs(value ? "true" : "false", j->f);
}

void json_hex(struct json *j, const char *key, uint64_t value)
{
	begin(j, key);
	fprintf(j->f, "\"%016" PRIx64 "\"", value);
}

void json_address(struct json *j, const char *key, uint64_t value)
{
	begin(j, key);
	fprintf(j->f, "\"0x%" PRIx64 "\"", value);
}

// SPDX-License-Identifier: MIT
/* protobuf.c - writes protocol buffer messages. */
#include "report/protobuf.h"

#include "common/fmt.h"

#include <stdlib.h>
#include <string.h>

enum { WIRE_VARINT = 0, WIRE_LENGTH = 2 };

void protobuf_free(struct protobuf *m)
{
	free(m->data);
	memset(m, 0, sizeof(*m));
}

void protobuf_clear(struct protobuf *m)
{
	m->len = 0;
}

static void append(struct protobuf *m, const void *data, size_t len)
{
	size_t room = m->room ? m->room : 256;
	uint8_t *p;

	while (room < m->len + len)
		room *= 2;
	if (room != m->room) {
		p = realloc(m->data, room);
		if (!p) {
			m->failed = true;
			return;
		}
		m->data = p;
		m->room = room;
	}
	if (len)
		memcpy(m->data + m->len, data, len);
	m->len += len;
}

static size_t encode(uint8_t out[10], uint64_t value)
{
	size_t n = 0;

	while (value > 0x7f) {
		out[n++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	out[n++] = (uint8_t)value;
	return n;
}

static void varint(struct protobuf *m, uint64_t value)
{
	uint8_t buf[10];

	append(m, buf, encode(buf, value));
}

static void key(struct protobuf *m, unsigned int field, unsigned int wire)
{
	varint(m, field << 3 | wire);
}

void protobuf_int(struct protobuf *m, unsigned int field, uint64_t value)
{
	if (!value)
		return;
	key(m, field, WIRE_VARINT);
	varint(m, value);
}

void protobuf_bytes(struct protobuf *m, unsigned int field, const void *data, size_t len)
{
	key(m, field, WIRE_LENGTH);
	varint(m, len);
	append(m, data, len);
}

/* How long the string is as UTF-8, in which what is none becomes U+FFFD; appended to m if set. */
static size_t put_utf8(struct protobuf *m, const char *s)
{
	static const char unknown[] = "\xef\xbf\xbd";
	size_t sum = 0;

	while (*s) {
		uint32_t code;
		size_t len = fmt_utf8(s, &code), out = len ? len : sizeof(unknown) - 1;

		if (m)
			append(m, len ? s : unknown, out);
		s += len ? len : 1;
		sum += out;
	}
	return sum;
}

void protobuf_string(struct protobuf *m, unsigned int field, const char *s)
{
	key(m, field, WIRE_LENGTH);
	varint(m, put_utf8(NULL, s));
	put_utf8(m, s);
}

void protobuf_message(struct protobuf *m, unsigned int field, const struct protobuf *sub)
{
	m->failed |= sub->failed;
	protobuf_bytes(m, field, sub->data, sub->len);
}

void protobuf_packed(struct protobuf *m, unsigned int field, const uint64_t *values, size_t count)
{
	uint8_t buf[10];
	size_t len = 0;

	for (size_t i = 0; i < count; i++)
		len += encode(buf, values[i]);
	key(m, field, WIRE_LENGTH);
	varint(m, len);
	for (size_t i = 0; i < count; i++)
		varint(m, values[i]);
}

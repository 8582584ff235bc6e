// SPDX-License-Identifier: MIT
/*
 * protobuf.h - writes protocol buffer messages (https://protobuf.dev/programming-guides/encoding).
 * Failures are sticky: without memory a message stays as it was, and `failed` is set.
 */
#ifndef REPORT_PROTOBUF_H
#define REPORT_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A zeroed one is an empty message. */
struct protobuf {
	uint8_t *data;
	size_t len, room;
	bool failed;
};

void protobuf_free(struct protobuf *m);
void protobuf_clear(struct protobuf *m);	/* empty again; keeps its memory */

/* Fields of type int64, uint64 or bool; 0 is left out, as it is the default. */
void protobuf_int(struct protobuf *m, unsigned int field, uint64_t value);
void protobuf_bytes(struct protobuf *m, unsigned int field, const void *data, size_t len);
/* A string is UTF-8, or readers refuse the whole message: what is none becomes U+FFFD. */
void protobuf_string(struct protobuf *m, unsigned int field, const char *s);
void protobuf_message(struct protobuf *m, unsigned int field, const struct protobuf *sub);
/* A repeated integer field, packed. */
void protobuf_packed(struct protobuf *m, unsigned int field, const uint64_t *values, size_t count);

#endif

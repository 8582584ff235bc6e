// SPDX-License-Identifier: MIT
/* dwarf_reader.h - bounded reading of DWARF's encodings (DWARF 5, 7.6). */
#ifndef PRELOAD_DWARF_READER_H
#define PRELOAD_DWARF_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A bounded cursor over bytes; running off the end sets `bad` and yields zeroes. */
struct reader {
	const uint8_t *p, *end;
	bool bad;
};

static inline uint64_t rd_fixed(struct reader *r, size_t n)
{
	uint64_t v = 0;

	if ((size_t)(r->end - r->p) < n) {
		r->bad = true;
		r->p = r->end;
		return 0;
	}
	__builtin_memcpy(&v, r->p, n);	/* (memcpy() is a call where built-in functions are off) */
	r->p += n;
	return v;
}

/* LEB128: 7 bits a byte, the lowest first. Bits beyond 64 are dropped. */
static inline uint64_t rd_leb(struct reader *r, bool is_signed)
{
	uint64_t v = 0;
	unsigned int shift = 0;
	uint8_t b;

	do {
		b = (uint8_t)rd_fixed(r, 1);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80);
	if (is_signed && shift < 64 && (b & 0x40))
		v |= ~0ull << shift;
	return v;
}

static inline uint64_t rd_uleb(struct reader *r)
{
	return rd_leb(r, false);
}

static inline int64_t rd_sleb(struct reader *r)
{
	return (int64_t)rd_leb(r, true);
}

static inline void rd_skip(struct reader *r, uint64_t n)
{
	if ((uint64_t)(r->end - r->p) < n) {
		r->bad = true;
		r->p = r->end;
	} else {
		r->p += n;
	}
}

#endif

// SPDX-License-Identifier: MIT
/* fmt.c - text from untrusted names, and figures for people. */
#include "common/fmt.h"

#include <string.h>

size_t fmt_utf8(const char *s, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s;
	size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	uint32_t c;

	if (len == 1) {
		*code = p[0];
		return 1;
	}
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	c = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*code = c;
	return len;
}

int fmt_is_hostile(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff ||
	       (c & 0xfffe) == 0xfffe;
}

/* Escapes one character of s into out; the bytes of s it took. */
static size_t escape_one(const char *s, char out[16])
{
	uint32_t code;
	size_t len = fmt_utf8(s, &code);

	if (len && !fmt_is_hostile(code)) {
		memcpy(out, s, len);
		out[len] = 0;
	} else if (len && code >= 0x80) {
		snprintf(out, 16, "\\u{%x}", code);
	} else {
		snprintf(out, 16, "\\x%02x", (unsigned char)*s);
		len = 1;
	}
	return len;
}

size_t fmt_name(FILE *f, const char *s, size_t max_chars)
{
	char piece[16];
	size_t chars = 0;

	while (*s) {
		if (max_chars && chars >= max_chars) {
			fputs("...", f);
			return chars + 3;
		}
		s += escape_one(s, piece);
		fputs(piece, f);
		/* An escape is as wide as it is long, anything else counts as one column. */
		chars += piece[0] == '\\' ? strlen(piece) : 1;
	}
	return chars;
}

char *fmt_name_buf(char *buf, size_t size, const char *s)
{
	char piece[16];
	size_t used = 0;

	while (*s) {
		size_t len;

		s += escape_one(s, piece);
		len = strlen(piece);
		if (used + len >= size)
			break;
		memcpy(buf + used, piece, len);
		used += len;
	}
	if (size)
		buf[used] = 0;
	return buf;
}

char *fmt_bytes(char buf[FMT_FIGURE], double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double size = bytes < 0 ? -bytes : bytes;
	size_t unit = 0;

	while (size >= 1023.95 && unit + 1 < sizeof(units) / sizeof(*units)) {
		size /= 1024;
		unit++;
	}
	snprintf(buf, FMT_FIGURE, "%s%.*f %s", bytes < 0 ? "-" : "",
		 unit && size < 99.95 ? 1 : 0, size, units[unit]);
	return buf;
}

struct duration_unit {
	uint64_t ns;
	const char *name, *rest_name;
	uint64_t rest_ns;
};

char *fmt_duration(char buf[FMT_FIGURE], uint64_t ns)
{
	static const struct duration_unit units[] = {
		{ 86400000000000u, "d", "h", 3600000000000u },
		{ 3600000000000u, "h", "min", 60000000000u },
		{ 60000000000u, "min", "s", 1000000000u },
	};
	static const char *const small[] = { "ns", "us", "ms", "s" };
	double value = (double)ns;
	size_t unit = 0;

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		const struct duration_unit *u = &units[i];
		unsigned long long rest = ns % u->ns / u->rest_ns;

		if (ns < u->ns)
			continue;
		if (rest)
			snprintf(buf, FMT_FIGURE, "%llu %s %llu %s",
				 (unsigned long long)(ns / u->ns), u->name, rest, u->rest_name);
		else
			snprintf(buf, FMT_FIGURE, "%llu %s", (unsigned long long)(ns / u->ns),
				 u->name);
		return buf;
	}
	while (value >= 999.5 && unit < 3) {
		value /= 1000;
		unit++;
	}
	snprintf(buf, FMT_FIGURE, "%.*f %s", unit && value < 9.95 ? 1 : 0, value, small[unit]);
	return buf;
}

// SPDX-License-Identifier: MIT
/*
 * fmt.h - text from untrusted names, and figures for people.
 *
 * Names from sessions and processes may hold anything. What could move a
 * terminal's cursor or reorder its text is printed as an escape: control
 * characters and bytes that are no UTF-8 as \xHH, Unicode's direction marks and
 * line separators as \u{HHHH}.
 */
#ifndef COMMON_FMT_H
#define COMMON_FMT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Names longer than this are cut, with "..." at the end, where people read them. */
#define FMT_NAME_MAX 512u

/*
 * Decodes one character of UTF-8 (RFC 3629: no surrogates, no overlong forms).
 * Returns its bytes (1..4) and stores the code point; 0 when s does not begin
 * with one. s must end in a NUL.
 */
size_t fmt_utf8(const char *s, uint32_t *code);

/* Does a code point change how its surroundings are shown (or is it a control)? */
int fmt_is_hostile(uint32_t code);

/* Prints s escaped, at most max_chars characters of it (0: all). Returns the characters printed. */
size_t fmt_name(FILE *f, const char *s, size_t max_chars);

/* The same into a buffer, cut to fit; always ends in a NUL. Returns buf. */
char *fmt_name_buf(char *buf, size_t size, const char *s);

#define FMT_FIGURE 32	/* room for a figure */

/* "512 B", "3.1 KiB", "12 MiB": three digits at most; negative values with a sign. */
char *fmt_bytes(char buf[FMT_FIGURE], double bytes);

/* "850 ns", "20 ms", "3.2 s", "2 min 5 s", "3 h 2 min", "5 d 3 h". */
char *fmt_duration(char buf[FMT_FIGURE], uint64_t ns);

#endif

// SPDX-License-Identifier: MIT
/*
 * strpool.h - keeps each distinct string once. The pointers that it returns stay
 * valid, and equal strings have equal pointers, until the pool is freed.
 * Not thread-safe.
 */
#ifndef REPORT_STRPOOL_H
#define REPORT_STRPOOL_H

#include <stddef.h>
#include <stdint.h>

struct strpool;

struct strpool *strpool_new(void);	/* NULL: no memory */
void strpool_free(struct strpool *p);	/* NULL is allowed */

/* The pool's copy of s; NULL when there is no memory. */
const char *strpool_add(struct strpool *p, const char *s);

/* The same for len bytes of s. */
const char *strpool_add_n(struct strpool *p, const char *s, size_t len);

#endif

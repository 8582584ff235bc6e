// SPDX-License-Identifier: MIT
/*
 * inject_why.h - the sentence that goes with an error of the injector: what
 * is in the way, and what would help.
 */
#ifndef PRELOAD_INJECT_WHY_H
#define PRELOAD_INJECT_WHY_H

struct inject_why {
	char text[512];
};

/* Formats the sentence and returns `err` (a -errno), for use in a return statement. */
int inject_because(struct inject_why *why, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif

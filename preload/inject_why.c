// SPDX-License-Identifier: MIT
/* inject_why.c - see inject_why.h */
#define _GNU_SOURCE 1
#include "inject_why.h"

#include <stdarg.h>
#include <stdio.h>

int inject_because(struct inject_why *why, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return err;
}

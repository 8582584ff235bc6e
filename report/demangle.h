// SPDX-License-Identifier: MIT
/* demangle.h - C++ and Rust symbol names as people write them. */
#ifndef REPORT_DEMANGLE_H
#define REPORT_DEMANGLE_H

/*
 * The readable form of a symbol's name, in a buffer that the caller frees, or NULL
 * when the name is not mangled, is malformed, or would become unreasonably long
 * (a short mangled name can stand for an endless one). Not thread-safe.
 */
char *demangle(const char *name);

#endif

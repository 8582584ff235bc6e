// SPDX-License-Identifier: MIT
/* compiler.h - attributes used throughout libleak.so. */
#ifndef PRELOAD_COMPILER_H
#define PRELOAD_COMPILER_H

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

#define COLD		__attribute__((cold, noinline))
#define ALWAYS_INLINE	inline __attribute__((always_inline))
#define EXPORT		__attribute__((visibility("default")))

/* A function that not every C library has: NULL where it is missing (libc.h). */
#define WEAK_IMPORT(fn)	extern __typeof__(fn) fn __attribute__((weak))

/*
 * Initial-exec: an access is one mov from %fs. The general-dynamic model may
 * call __tls_get_addr, which allocates a module's TLS block with malloc on first
 * use: endless recursion from inside malloc. (musl's does not: it has the blocks of
 * all threads made in dlopen. And its dlopen refuses initial-exec.)
 */
#ifdef LEAK_DYNAMIC_TLS
#define THREAD_LOCAL	__thread
#else
#define THREAD_LOCAL	__thread __attribute__((tls_model("initial-exec")))
#endif

#endif

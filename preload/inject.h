// SPDX-License-Identifier: MIT
/*
 * inject.h - loads a library into a running process and calls functions there,
 * through one thread that is held for some milliseconds (ptrace(2)).
 *
 * Use it from a process of its own that ends afterwards, with SIGCHLD blocked:
 * a thread that was asked to stop and did not is let go only by its end.
 * x86-64 only. Not thread-safe.
 */
#ifndef PRELOAD_INJECT_H
#define PRELOAD_INJECT_H

#include "inject_why.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct inject;

/*
 * Waits until a thread of the process is at a place from which it may call the
 * dynamic loader, and holds it there. 0; the errors of inject_check(), or
 *	-ETIMEDOUT	no thread was at a safe place in time
 *	-ENOTSUP	the C library is of no known kind
 */
int inject_open(struct inject **out, pid_t pid, int timeout_ms, struct inject_why *why);

/* Is the process's C library musl? */
bool inject_in_musl(const struct inject *in);

/* Address of a function that an object exported before inject_open(), 0 if none did. */
uint64_t inject_function(const struct inject *in, const char *name);

/*
 * Calls will run on `size` bytes of memory that the process has for this purpose,
 * at the variable `name`, whose first 8 bytes tell its user, 0: none. Without this,
 * or when it is in use, memory is mapped for them. Before the first call.
 */
void inject_borrow_stack(struct inject *in, const char *name, size_t size);

/*
 * Loads the library at `path` (of the caller's view of the file system), from
 * the same file if the process sees it, else from a copy in its memory (memfd).
 * *handle is what dlopen() returned. 0 or -errno.
 */
int inject_load(struct inject *in, const char *path, uint64_t *handle, struct inject_why *why);

/* Address of a function of a loaded library. 0 or -errno. */
int inject_symbol(struct inject *in, uint64_t handle, const char *name, uint64_t *addr,
		  struct inject_why *why);

/*
 * Calls function(text, nice) in the process; *result is its 64-bit return value. The
 * function tells when it is done (inject_call.h), leaves errno as it was, and needs no
 * more stack than some 400 KiB, or what was borrowed. A copy of `text` (may be NULL; at
 * most 8 KiB) exists during the call. The thread's priority is raised for it where that
 * is allowed; `nice` is for setting it back, see call_spec. 0 or -errno; after an error
 * only inject_close() is allowed.
 */
int inject_call_text(struct inject *in, uint64_t function, const char *text, uint64_t *result,
		     struct inject_why *why);

/* Copies a string (cut to size - 1 bytes) from the process. 0 or -errno. */
int inject_read_text(const struct inject *in, uint64_t addr, char *text, size_t size);

/* Lets the process go on as it was. Returns for how long the thread was held, ns. */
uint64_t inject_close(struct inject *in);

#endif

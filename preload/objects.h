// SPDX-License-Identifier: MIT
/*
 * objects.h - which object that the loader has mapped an address lies in.
 *
 * glibc is asked (_dl_find_object, 2.35), which takes no lock and allocates nothing.
 * musl and older glibc have nothing of the kind: a copy of the loader's list is kept
 * (objects_listed.h). Async-signal-safe; takes no lock of others.
 */
#ifndef PRELOAD_OBJECTS_H
#define PRELOAD_OBJECTS_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

struct object {
	uintptr_t start, end;	/* what it has mapped lies in between */
	uintptr_t bias;		/* of its addresses */
	const void *frames;	/* .eh_frame_hdr; NULL: it has none */
	const uint8_t *section, *section_end;	/* .eh_frame, where that is known instead */
	const void *id;		/* the loader's */
	const char *name;	/* as the loader has it; the program's is empty */
};

/* Begins a recording. Not from a signal handler: it may wait for dlopen in other threads. */
void objects_init(void);

/* False: it lies in none. @o is valid for as long as the object is not unloaded. */
bool objects_find(uintptr_t addr, struct object *o);

/*
 * Where the code of an object with these program headers is, with what adjoins it. (Of an
 * older loader, 2 MiB before its data are a hole: the kernel, which has mapped it, does not
 * keep that, and other objects come to lie there.) Empty: it has no code or data.
 */
struct object objects_range(uintptr_t bias, const ElfW(Phdr) *ph, unsigned int n);

/* Some have been unloaded: others may be where they were. */
void objects_unloaded(void);

/* In a forked child. */
void objects_after_fork(void);

#endif

// SPDX-License-Identifier: MIT
/*
 * module_watch.h - notices objects that come and go.
 *
 * What comes is noticed when a frame of it is in a stack that is inserted, with
 * objects.h, which takes no lock of others. dl_iterate_phdr would make malloc take a
 * lock of the loader's: one that a callback of the program's may hold while it waits
 * for a thread that allocates, and that nobody releases in a child which is forked
 * meanwhile.
 *
 * What goes is noticed in dlclose, by the loader's count of unloads: recipes and
 * kept stacks are void then, and known stacks in doubt. (glibc unloads modules of
 * its own without dlclose: each insertion looks whether one of the late comers is
 * still what it was, by range, link map, unwind table and build-id.)
 */
#ifndef PRELOAD_MODULE_WATCH_H
#define PRELOAD_MODULE_WATCH_H

#include <stdint.h>

#include "stack_capture.h"

/* A new session. */
void module_watch_init(void);

/* A stack is about to be inserted. Busy threads only; no lock held. */
void module_watch_stack(const struct frame_cache *c, uint32_t depth);

/* dlclose has returned. Busy threads only; no lock held. */
void module_watch_dlclose(void);

#endif

// SPDX-License-Identifier: MIT
/*
 * inject_unwind.h - the call stack of a stopped thread of another process, from
 * its registers and its memory alone (libunwind's remote interface). No file is
 * read, so that deleted files and other mount namespaces make no difference.
 *
 * Not thread-safe. Source of the unwind table: Linux Standard Base Core 5.0,
 * 10.6.2 (.eh_frame_hdr).
 */
#ifndef PRELOAD_INJECT_UNWIND_H
#define PRELOAD_INJECT_UNWIND_H

#include "inject_image.h"

#include <sys/user.h>

struct unwinder;

/* `image` is kept until unwinder_free(). 0 or -ENOMEM. */
int unwinder_new(struct unwinder **out, const struct image *image, int mem);
void unwinder_free(struct unwinder *unwinder);

/*
 * Called for each frame, innermost first. `addr` lies within the instruction
 * that runs, that a signal interrupted, or within the call. Anything but 0 ends the walk.
 */
typedef int unwind_frame_fn(uint64_t addr, void *arg);

/*
 * Walks the stack. 0 at its end; what `frame` returned; or -ENODATA: it could
 * not be followed further.
 */
int unwinder_walk(struct unwinder *unwinder, const struct user_regs_struct *regs,
		  unwind_frame_fn *frame, void *arg);

#endif

// SPDX-License-Identifier: MIT
/* hooks.h - what the hooks of C and C++ allocation tell each other. */
#ifndef PRELOAD_HOOKS_H
#define PRELOAD_HOOKS_H

#include <stddef.h>

#include "compiler.h"
#include "stack_capture.h"

/*
 * An aligned operator new is under way and may call aligned_alloc or the like:
 * with a size rounded up, and from frames that nobody wants to see. (One that
 * throws leaves its hint behind: who takes a hint checks that it fits.)
 */
struct new_hint {
	size_t asked;		/* by the program; 0: none is under way */
	struct frame_regs from;	/* its caller; sp 0: the runtime's own frames are shown */
};

extern THREAD_LOCAL struct new_hint hooks_new_hint __attribute__((visibility("hidden")));

#endif

// SPDX-License-Identifier: MIT
/* hooks.h - what the hooks of C and C++ allocation tell each other. */
#ifndef PRELOAD_HOOKS_H
#define PRELOAD_HOOKS_H

#include <stddef.h>

#include "compiler.h"

/* The size that an aligned operator new was asked for, until it calls aligned_alloc or the like; 0: none. */
extern THREAD_LOCAL size_t hooks_new_asked __attribute__((visibility("hidden")));

#endif

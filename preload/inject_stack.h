// SPDX-License-Identifier: MIT
/*
 * inject_stack.h - may something be put below a stopped thread's stack pointer?
 *
 * Not on every stack: a goroutine's is some KiB long and lies amid the heap, a
 * coroutine's may be as small as its maker thought enough. The main thread's is
 * known by its mapping, a C library's thread by its control block, which lies at
 * the top of its stack. Nothing is known of others but how far they are mapped.
 */
#ifndef PRELOAD_INJECT_STACK_H
#define PRELOAD_INJECT_STACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

struct stack_place {
	bool own;		/* the thread's, as it was made by the kernel or the C library */
	uint64_t room;		/* bytes from the start of the mapping to the stack pointer */
};

/* 0; -errno: where the thread is cannot be read; -EFAULT: no stack is mapped there. */
int stack_find(pid_t pid, const struct user_regs_struct *regs, struct stack_place *out);

#endif

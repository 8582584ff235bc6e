// SPDX-License-Identifier: MIT
/*
 * stack_check.h - libleak-check.so: every recorded stack against two full walks.
 *
 * A build of libleak.so for the tests (-DLEAK_CHECK). Each time an allocation is
 * given a stack, the stack is walked once more by libunwind and once by libgcc,
 * which share no code with stack_capture.h nor with each other, and the frames in
 * the session are compared with what they found. At exit one line on stderr:
 *
 *	stack check: N compared, M wrong, K oracle disagreements
 *
 * A stack is wrong when it agrees with neither walk. The walks may disagree where
 * only one of them knows a frame. LIBLEAK_CHECK=noverify is the negative control:
 * captures then trust the kept stack without reading it again, which must be
 * found out.
 *
 * In the product all of this is nothing.
 */
#ifndef PRELOAD_STACK_CHECK_H
#define PRELOAD_STACK_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#ifdef LEAK_CHECK

extern bool stack_check_trusting __attribute__((visibility("hidden")));

/*
 * The allocation whose hook was called from @ip (@sp and @bp were the registers after it
 * returned) was given the stack of index @stack.
 */
void stack_check(uint32_t stack, uintptr_t ip, uintptr_t sp, uintptr_t bp);

#else

enum { stack_check_trusting = false };

static inline void stack_check(uint32_t stack, uintptr_t ip, uintptr_t sp, uintptr_t bp)
{
	(void)stack;
	(void)ip;
	(void)sp;
	(void)bp;
}

#endif
#endif

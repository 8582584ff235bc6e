// SPDX-License-Identifier: MIT
/*
 * epilogue.h - how to step out of a function that has no call frame information, as
 * those of musl have none: its code is followed from a return address on to where it
 * returns. On the way it takes off the stack what it has put there, and gets back the
 * registers that belong to its caller: so it tells where all that is.
 *
 * Every way out must tell the same; calls are taken to return, but for those that
 * never do. x86-64. Source: System V ABI AMD64, 3.2.1 and 3.2.2.
 */
#ifndef PRELOAD_EPILOGUE_H
#define PRELOAD_EPILOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The registers that belong to the caller. */
enum epilogue_reg { SAVED_BX, SAVED_BP, SAVED_R12, SAVED_R13, SAVED_R14, SAVED_R15, SAVED_REGS };

struct epilogue {
	bool by_bp;		/* CFA = bp + cfa, else sp + cfa; the return address is at CFA - 8 */
	int32_t cfa;
	int32_t below[SAVED_REGS];	/* the caller's value is at CFA - this; 0: it is unchanged */
};

struct epilogue_code {
	/* Copies code. How many bytes there are, at most `size`. */
	size_t (*read)(void *arg, uint64_t at, uint8_t *to, size_t size);
	/* Does the function at @addr never return? */
	bool (*is_final)(void *arg, uint64_t addr);
	void *arg;
};

/*
 * From @ip on. 0; -ENOENT: it never returns (a thread's outermost function); -ENODATA:
 * that can't be told.
 */
int epilogue_follow(const struct epilogue_code *code, uint64_t ip, struct epilogue *out);

#endif

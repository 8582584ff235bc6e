// SPDX-License-Identifier: MIT
/*
 * cfi.h - call frame information (.eh_frame): how to step out of a frame.
 *
 * Two views of one row: cfi_lookup() gives a rule that fits in a word, for the
 * forms that compilers emit nearly everywhere (recipes.h keeps those);
 * cfi_step() applies any row, DWARF expressions and signal frames included, to a
 * whole set of registers.
 *
 * Why not libunwind, inside the program: its cursor gives the result of a step,
 * not its rule (one result cannot tell "CFA = rsp + n" from "CFA = rbp + m"); it
 * validates addresses by writing to a pipe that it keeps open, whose numbers
 * may by then be the program's own files; and it takes locks.
 *
 * Takes no lock of others and allocates nothing (objects.h). Async-signal-safe. Never reads memory that @read refuses.
 *
 * Formats: DWARF 5, 6.4 (CFI), 2.5 (expressions); Linux Standard Base 5.0, 10.6
 * (.eh_frame, .eh_frame_hdr); System V ABI AMD64, 3.7 (register numbers).
 */
#ifndef PRELOAD_CFI_H
#define PRELOAD_CFI_H

#include <stdbool.h>
#include <stdint.h>

enum { CFI_REG_BX = 3, CFI_REG_BP = 6, CFI_REG_SP = 7, CFI_REG_R12 = 12, CFI_REG_RA = 16, CFI_REGS = 17 };

enum cfi_kind {
	CFI_COMPLEX = 0,	/* a form that does not fit: cfi_step() */
	CFI_STEP = 1,		/* the fields below hold */
	CFI_END = 2,		/* outermost frame: the return address is undefined */
	CFI_NONE = 3,		/* no information about this address */
};

enum cfi_base { CFI_SP = 0, CFI_BP = 1, CFI_BP_DEREF = 2 };

struct cfi_rule {
	uint8_t kind;		/* enum cfi_kind */
	uint8_t base;		/* CFA = SP + cfa_off, BP + cfa_off, or *(BP + cfa_off) */
	bool bp_at_bp;		/* the caller's BP is saved at *BP, not below the CFA */
	int32_t cfa_off;
	int32_t bp_off;		/* the caller's BP is saved at CFA + bp_off; 0: unchanged */
};				/* the return address is at CFA - 8 */

/* The rule in force for the call whose last byte is at @pc. */
struct cfi_rule cfi_lookup(uintptr_t pc);

/* Registers of a frame, by DWARF number; reg[CFI_REG_RA] is its instruction pointer. */
struct cfi_regs {
	uintptr_t reg[CFI_REGS];
	uint32_t known;		/* bit per register */
	bool exact;		/* the instruction pointer was interrupted, it is no return address */
};

/* Loads the word at @addr into *@value, or refuses. */
typedef bool cfi_read_fn(void *arg, uintptr_t addr, uintptr_t *value);

/* Moves @r to the caller's frame. CFI_STEP: done; else @r is unchanged. */
enum cfi_kind cfi_step(struct cfi_regs *r, cfi_read_fn *read, void *arg);

#endif

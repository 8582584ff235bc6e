// SPDX-License-Identifier: MIT
/*
 * cfi.h - call frame information: the one row of .eh_frame that tells how to
 * step out of a frame.
 *
 * libunwind's cursor gives the result of a step, not its rule, and one result
 * cannot tell "CFA = rsp + n" from "CFA = rbp + m". So the rule is read here,
 * for the forms that compilers emit nearly everywhere; whatever does not fit is
 * CFI_COMPLEX and left to libunwind.
 *
 * The table is found with _dl_find_object (glibc 2.35), which takes no lock and
 * allocates nothing. Async-signal-safe.
 *
 * Formats: DWARF 5 section 6.4; Linux Standard Base 5.0, 10.6 (.eh_frame,
 * .eh_frame_hdr); System V ABI AMD64 section 3.7 (register numbers).
 */
#ifndef PRELOAD_CFI_H
#define PRELOAD_CFI_H

#include <stdbool.h>
#include <stdint.h>

enum cfi_kind {
	CFI_COMPLEX = 0,	/* no information, or a form not handled here */
	CFI_STEP = 1,		/* the fields below hold */
	CFI_END = 2,		/* outermost frame: the return address is undefined */
};

enum cfi_base { CFI_SP = 0, CFI_BP = 1, CFI_BP_DEREF = 2 };

struct cfi_rule {
	uint8_t kind;		/* enum cfi_kind */
	uint8_t base;		/* CFA = SP + cfa_off, BP + cfa_off, or *(BP + cfa_off) */
	bool bp_at_bp;		/* the caller's BP is saved at *BP, not below the CFA */
	int32_t cfa_off;
	int32_t bp_off;		/* the caller's BP is saved at CFA + bp_off; 0: unchanged */
};				/* the return address is at CFA - 8 */

/* The rule in force for the instruction at @pc. */
struct cfi_rule cfi_lookup(uintptr_t pc);

/* The same from the .eh_frame_hdr at @hdr, which must be mapped whole with its .eh_frame; for tests. */
struct cfi_rule cfi_lookup_in(const uint8_t *hdr, uintptr_t pc);

#endif

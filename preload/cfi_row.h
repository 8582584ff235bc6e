// SPDX-License-Identifier: MIT
/* cfi_row.h - the row of an object's .eh_frame that is in force at an address. */
#ifndef PRELOAD_CFI_ROW_H
#define PRELOAD_CFI_ROW_H

#include "cfi.h"

/* Where the caller's value of a register is. */
enum cfi_rule_kind { R_SAME = 0, R_UNDEFINED, R_OFFSET, R_VAL_OFFSET, R_REGISTER, R_EXPR, R_VAL_EXPR };

/* Small: rows lie on the program's stack, which may be a signal handler's of 8 KiB. */
struct cfi_reg_rule {
	union {
		int64_t off;		/* from the CFA; or a register's number */
		const uint8_t *expr;
	};
	uint32_t expr_len;
	uint8_t kind;			/* enum cfi_rule_kind */
};

struct cfi_row {
	uint64_t cfa_reg;
	int64_t cfa_off;
	const uint8_t *cfa_expr;	/* instead of the two above */
	uint32_t cfa_expr_len;
	struct cfi_reg_rule rule[CFI_REGS];
};

/*
 * Finds the row for @pc. CFI_STEP, CFI_END or CFI_NONE; *signal: it belongs to a
 * signal frame, whose caller was interrupted.
 */
enum cfi_kind cfi_find_row(uintptr_t pc, struct cfi_row *row, bool *signal);

#endif

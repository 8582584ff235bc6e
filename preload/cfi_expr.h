// SPDX-License-Identifier: MIT
/* cfi_expr.h - DWARF expressions (DWARF 5, 2.5), as far as call frame information uses them. */
#ifndef PRELOAD_CFI_EXPR_H
#define PRELOAD_CFI_EXPR_H

#include "cfi.h"

struct cfi_expr_env {
	const struct cfi_regs *regs;
	cfi_read_fn *read;
	void *arg;
};

/*
 * Evaluates @expr with *@initial (if not NULL) on the stack. False: an operator
 * that is not handled, a register that is not known, memory that cannot be read.
 */
bool cfi_evaluate(const struct cfi_expr_env *env, const uint8_t *expr, uint32_t len,
		  const uintptr_t *initial, uintptr_t *out);

/* The value of register @reg. False: not known. */
bool cfi_reg_value(const struct cfi_regs *regs, uint64_t reg, uintptr_t *out);

/* Is the expression "the word at rbp + n" (@deref), or "rbp + n"? */
bool cfi_is_at_bp(const uint8_t *expr, uint32_t len, bool deref, int64_t *n);

#endif

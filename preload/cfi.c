// SPDX-License-Identifier: MIT
/* cfi.c - see cfi.h. */
#include "cfi.h"

#include "cfi_epilogue.h"
#include "cfi_expr.h"
#include "cfi_row.h"

#include <stddef.h>

static bool compact_cfa(const struct cfi_row *row, struct cfi_rule *rule)
{
	int64_t off = row->cfa_off;

	/* a function that realigns its stack: CFA = *(rbp - 8) and the like */
	if (row->cfa_expr) {
		if (!cfi_is_at_bp(row->cfa_expr, row->cfa_expr_len, true, &off))
			return false;
		rule->base = CFI_BP_DEREF;
	} else if (row->cfa_reg == CFI_REG_BP) {
		rule->base = CFI_BP;
	} else if (row->cfa_reg == CFI_REG_SP) {
		rule->base = CFI_SP;
	} else {
		return false;
	}
	rule->cfa_off = (int32_t)off;
	return off == (int32_t)off;
}

static bool compact_bp(const struct cfi_reg_rule *bp, struct cfi_rule *rule)
{
	int64_t n;

	switch (bp->kind) {
	case R_SAME:
		return true;
	case R_OFFSET:
		rule->bp_off = (int32_t)bp->off;
		return bp->off < 0 && bp->off == (int32_t)bp->off;
	case R_EXPR:
		rule->bp_at_bp = true;
		return cfi_is_at_bp(bp->expr, bp->expr_len, false, &n) && n == 0;
	default:
		return false;
	}
}

/* @ip: where the frame goes on; @exact: it was interrupted there, rather than in a call. */
static enum cfi_kind find_row(uintptr_t ip, bool exact, struct cfi_row *row, bool *signal)
{
	enum cfi_kind kind = cfi_find_row(exact ? ip : ip - 1, row, signal);

	return kind == CFI_NONE ? cfi_row_by_epilogue(ip, row, signal) : kind;
}

struct cfi_rule cfi_lookup(uintptr_t pc)
{
	struct cfi_rule rule = { .kind = CFI_STEP };
	const struct cfi_reg_rule *ra;
	struct cfi_row row;
	bool signal = false;
	enum cfi_kind kind = find_row(pc + 1, false, &row, &signal);

	if (kind != CFI_STEP)
		return (struct cfi_rule){ .kind = (uint8_t)kind };
	ra = &row.rule[CFI_REG_RA];
	if (signal || ra->kind != R_OFFSET || ra->off != -8 ||
	    row.rule[CFI_REG_SP].kind != R_SAME || !compact_cfa(&row, &rule) ||
	    !compact_bp(&row.rule[CFI_REG_BP], &rule))
		return (struct cfi_rule){ .kind = CFI_COMPLEX };
	return rule;
}

static bool locate_cfa(const struct cfi_row *row, const struct cfi_expr_env *env, uintptr_t *cfa)
{
	if (row->cfa_expr)
		return cfi_evaluate(env, row->cfa_expr, row->cfa_expr_len, NULL, cfa);
	if (!cfi_reg_value(env->regs, row->cfa_reg, cfa))
		return false;
	*cfa += (uintptr_t)row->cfa_off;
	return true;
}

/* The caller's value by @rule. False: there is none to be had. */
static bool apply(const struct cfi_reg_rule *rule, const struct cfi_expr_env *env, uintptr_t cfa,
		  uintptr_t *out)
{
	switch (rule->kind) {
	case R_OFFSET:
		return env->read(env->arg, cfa + (uintptr_t)rule->off, out);
	case R_VAL_OFFSET:
		*out = cfa + (uintptr_t)rule->off;
		return true;
	case R_REGISTER:
		return cfi_reg_value(env->regs, (uint64_t)rule->off, out);
	case R_EXPR:
		return cfi_evaluate(env, rule->expr, rule->expr_len, &cfa, out) &&
		       env->read(env->arg, *out, out);
	case R_VAL_EXPR:
		return cfi_evaluate(env, rule->expr, rule->expr_len, &cfa, out);
	default:
		return false;
	}
}

static void restore_regs(const struct cfi_row *row, const struct cfi_expr_env *env, uintptr_t cfa,
			 struct cfi_regs *up)
{
	for (unsigned int i = 0; i < CFI_REGS; i++) {
		if (i == CFI_REG_SP && row->rule[i].kind == R_SAME) {
			up->reg[i] = cfa;
			up->known |= 1u << i;
		} else if (row->rule[i].kind == R_SAME) {
			up->reg[i] = env->regs->reg[i];
			up->known |= env->regs->known & 1u << i;
		} else if (apply(&row->rule[i], env, cfa, &up->reg[i])) {
			up->known |= 1u << i;
		}
	}
}

enum cfi_kind cfi_step(struct cfi_regs *r, cfi_read_fn *read, void *arg)
{
	const uint32_t needed = 1u << CFI_REG_RA | 1u << CFI_REG_SP;
	struct cfi_expr_env env = { r, read, arg };
	struct cfi_regs up = { .known = 0 };
	uintptr_t cfa;
	struct cfi_row row;
	bool signal = false;
	enum cfi_kind kind = find_row(r->reg[CFI_REG_RA], r->exact, &row, &signal);

	if (kind != CFI_STEP)
		return kind;
	if (!locate_cfa(&row, &env, &cfa))
		return CFI_COMPLEX;
	restore_regs(&row, &env, cfa, &up);
	if ((up.known & needed) != needed)
		return CFI_COMPLEX;
	up.exact = signal;
	*r = up;
	return CFI_STEP;
}

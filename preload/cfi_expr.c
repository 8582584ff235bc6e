// SPDX-License-Identifier: MIT
/* cfi_expr.c - see cfi_expr.h. */
#include "cfi_expr.h"

#include "dwarf_reader.h"

/* Expression operators (DWARF 5, table 7.9). */
enum {
	OP_ADDR = 0x03, OP_DEREF = 0x06, OP_CONST1U = 0x08, OP_CONST1S = 0x09, OP_CONST2U = 0x0a,
	OP_CONST2S = 0x0b, OP_CONST4U = 0x0c, OP_CONST4S = 0x0d, OP_CONSTU = 0x10, OP_CONSTS = 0x11,
	OP_DUP = 0x12, OP_DROP = 0x13, OP_AND = 0x1a, OP_MINUS = 0x1c, OP_MUL = 0x1e, OP_NEG = 0x1f,
	OP_NOT = 0x20, OP_OR = 0x21, OP_PLUS = 0x22, OP_PLUS_UCONST = 0x23, OP_SHL = 0x24,
	OP_SHR = 0x25, OP_XOR = 0x27, OP_EQ = 0x29, OP_GE = 0x2a, OP_GT = 0x2b, OP_LE = 0x2c,
	OP_LT = 0x2d, OP_NE = 0x2e, OP_LIT0 = 0x30, OP_BREG0 = 0x70, OP_BREGX = 0x92, OP_NOP = 0x96,
};

#define EXPR_STACK 16
#define EXPR_STEPS 64

struct machine {
	const struct cfi_expr_env *env;
	uintptr_t stack[EXPR_STACK];
	unsigned int depth;
	bool bad;
};

bool cfi_is_at_bp(const uint8_t *expr, uint32_t len, bool deref, int64_t *n)
{
	struct reader e = { expr, expr + len, false };

	if (rd_fixed(&e, 1) != OP_BREG0 + CFI_REG_BP)
		return false;
	*n = rd_sleb(&e);
	return (!deref || rd_fixed(&e, 1) == OP_DEREF) && e.p == e.end && !e.bad;
}

bool cfi_reg_value(const struct cfi_regs *regs, uint64_t reg, uintptr_t *out)
{
	if (reg >= CFI_REGS || !(regs->known >> reg & 1))
		return false;
	*out = regs->reg[reg];
	return true;
}

static void push(struct machine *m, uintptr_t v)
{
	if (m->depth == EXPR_STACK)
		m->bad = true;
	else
		m->stack[m->depth++] = v;
}

static uintptr_t pop(struct machine *m)
{
	if (!m->depth) {
		m->bad = true;
		return 0;
	}
	return m->stack[--m->depth];
}

static uintptr_t reg_value(struct machine *m, uint64_t reg)
{
	uintptr_t v = 0;

	if (!cfi_reg_value(m->env->regs, reg, &v))
		m->bad = true;
	return v;
}

static void do_deref(struct machine *m)
{
	uintptr_t v = 0;

	if (!m->env->read(m->env->arg, pop(m), &v))
		m->bad = true;
	push(m, v);
}

static void do_binary(struct machine *m, uint8_t op)
{
	uintptr_t b = pop(m), a = pop(m);

	switch (op) {
	case OP_AND:
		push(m, a & b);
		break;
	case OP_MINUS:
		push(m, a - b);
		break;
	case OP_MUL:
		push(m, a * b);
		break;
	case OP_OR:
		push(m, a | b);
		break;
	case OP_PLUS:
		push(m, a + b);
		break;
	case OP_SHL:
		push(m, b < 64 ? a << b : 0);
		break;
	case OP_SHR:
		push(m, b < 64 ? a >> b : 0);
		break;
	case OP_XOR:
		push(m, a ^ b);
		break;
	case OP_EQ:
		push(m, a == b);
		break;
	case OP_GE:
		push(m, (intptr_t)a >= (intptr_t)b);
		break;
	case OP_GT:
		push(m, (intptr_t)a > (intptr_t)b);
		break;
	case OP_LE:
		push(m, (intptr_t)a <= (intptr_t)b);
		break;
	case OP_LT:
		push(m, (intptr_t)a < (intptr_t)b);
		break;
	case OP_NE:
		push(m, a != b);
		break;
	default:
		m->bad = true;
	}
}

/* Pushes the constant that follows, if @op says that one does. */
static bool do_const(struct machine *m, struct reader *r, uint8_t op)
{
	switch (op) {
	case OP_ADDR:
		push(m, rd_fixed(r, 8));
		return true;
	case OP_CONST1U:
		push(m, rd_fixed(r, 1));
		return true;
	case OP_CONST1S:
		push(m, (uintptr_t)(int8_t)rd_fixed(r, 1));
		return true;
	case OP_CONST2U:
		push(m, rd_fixed(r, 2));
		return true;
	case OP_CONST2S:
		push(m, (uintptr_t)(int16_t)rd_fixed(r, 2));
		return true;
	case OP_CONST4U:
		push(m, rd_fixed(r, 4));
		return true;
	case OP_CONST4S:
		push(m, (uintptr_t)(int32_t)rd_fixed(r, 4));
		return true;
	case OP_CONSTU:
		push(m, rd_uleb(r));
		return true;
	case OP_CONSTS:
		push(m, (uintptr_t)rd_sleb(r));
		return true;
	default:
		return false;
	}
}

static bool do_unary(struct machine *m, struct reader *r, uint8_t op)
{
	uintptr_t v;

	switch (op) {
	case OP_DEREF:
		do_deref(m);
		return true;
	case OP_DUP:
		v = pop(m);
		push(m, v);
		push(m, v);
		return true;
	case OP_DROP:
		pop(m);
		return true;
	case OP_NEG:
		push(m, -pop(m));
		return true;
	case OP_NOT:
		push(m, ~pop(m));
		return true;
	case OP_PLUS_UCONST:
		push(m, pop(m) + rd_uleb(r));
		return true;
	case OP_NOP:
		return true;
	default:
		return false;
	}
}

/* The operators that compilers and the C library's hand-written CFI use. */
static void do_op(struct machine *m, struct reader *r, uint8_t op)
{
	uint64_t reg;

	if (op >= OP_LIT0 && op < OP_LIT0 + 32) {
		push(m, op - OP_LIT0);
	} else if ((op >= OP_BREG0 && op < OP_BREG0 + 32) || op == OP_BREGX) {
		reg = op == OP_BREGX ? rd_uleb(r) : (uint64_t)op - OP_BREG0;
		push(m, reg_value(m, reg) + (uintptr_t)rd_sleb(r));
	} else if (!do_const(m, r, op) && !do_unary(m, r, op)) {
		do_binary(m, op);
	}
}

bool cfi_evaluate(const struct cfi_expr_env *env, const uint8_t *expr, uint32_t len,
		  const uintptr_t *initial, uintptr_t *out)
{
	struct machine m = { .env = env };
	struct reader r = { expr, expr + len, false };

	if (initial)
		push(&m, *initial);
	for (int n = 0; r.p < r.end && n < EXPR_STEPS; n++)
		do_op(&m, &r, (uint8_t)rd_fixed(&r, 1));
	*out = pop(&m);
	return !m.bad && !r.bad && r.p == r.end;
}

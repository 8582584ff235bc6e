// SPDX-License-Identifier: MIT
/* epilogue.c - see epilogue.h. */
#include "epilogue.h"

#include <errno.h>
#include <string.h>

#include "x86_insn.h"

#define WAYS_MAX	24	/* branches kept in mind; (this may be a signal handler's stack) */
#define SEEN_MAX	64
#define STEPS_MAX	6000
#define FRAME_MAX	(1 << 20)

enum { BP = 5, SP = 4 };	/* as instructions number them */

/* One way through the code, with what is known of the stack pointer on it. */
struct way {
	uint64_t ip;
	int32_t sp;		/* since the beginning; or above bp */
	int32_t floor;		/* what lies below has been put on the stack since */
	bool by_bp, lost;
	uint8_t loaded, loaded_by_bp;	/* bit per register that belongs to the caller */
	int32_t from[SAVED_REGS];	/* the place on the stack where it was loaded from last */
};

struct search {
	const struct epilogue_code *code;
	struct way ways[WAYS_MAX];
	uint64_t seen[SEEN_MAX];	/* where branches lead: each is followed once */
	unsigned int way_count, seen_count;
	unsigned int steps;
	bool found, unknown, differs;
	struct epilogue result;
};

enum next { GO_ON, RETURNS, NEVER_RETURNS, UNKNOWN };

static unsigned int reg_of(const struct x86_insn *in)
{
	return in->reg | (in->rex & 4u) << 1;
}

static unsigned int rm_of(const struct x86_insn *in)
{
	return in->rm | (in->rex & 1u) << 3;
}

static unsigned int bit(int r)
{
	return 1u << r;
}

/* SAVED_REGS: it is none of them. */
static enum epilogue_reg saved_reg(unsigned int reg)
{
	return reg == 3 ? SAVED_BX : reg == BP ? SAVED_BP :
	       reg >= 12 ? (enum epilogue_reg)(SAVED_R12 + (reg - 12)) : SAVED_REGS;
}

/* (What was put on the stack on the way is what the register had then: no news.) */
static void load(struct way *w, unsigned int reg, bool by_bp, int32_t place)
{
	enum epilogue_reg r = saved_reg(reg);

	if (r == SAVED_REGS || (by_bp == w->by_bp && place < w->floor))
		return;
	w->loaded |= (uint8_t)bit(r);
	w->loaded_by_bp = (uint8_t)((w->loaded_by_bp & ~bit(r)) | (by_bp ? bit(r) : 0));
	w->from[r] = place;
}

static void move_sp(struct way *w, int64_t by)
{
	w->lost |= by > FRAME_MAX || by < -FRAME_MAX;
	w->sp += (int32_t)by;
	if (w->sp > w->floor)
		w->floor = w->sp;
}

static void pop(struct way *w, unsigned int reg)
{
	load(w, reg, w->by_bp, w->sp);
	move_sp(w, 8);
	w->lost |= reg == SP;
}

static bool bp_is_kept(const struct way *w)
{
	return !(w->loaded & bit(SAVED_BP));
}

static void set_sp_by_bp(struct way *w, int32_t off)
{
	/* bp as it was at the beginning, or this is no frame pointer */
	w->lost = !bp_is_kept(w);
	w->by_bp = true;
	w->sp = w->floor = off;
}

/* mov and lea between registers and the stack. */
static void move(struct way *w, const struct x86_insn *in)
{
	bool wide = in->rex & 8;
	bool at_sp = in->mod != 3 && in->rm == 4 && in->base == 4 && !(in->rex & 1) && !in->indexed;
	bool at_bp = (in->mod == 1 || in->mod == 2) && in->rm == 5 && !(in->rex & 1);
	unsigned int reg = reg_of(in);

	if (in->opcode == 0x8d && reg == SP) {
		if (at_sp)
			move_sp(w, in->disp);
		else if (at_bp)
			set_sp_by_bp(w, in->disp);
		else
			w->lost = true;
	} else if (in->opcode == 0x8b && wide && reg == SP) {
		if (in->mod == 3 && rm_of(in) == BP)
			set_sp_by_bp(w, 0);
		else
			w->lost = true;
	} else if (in->opcode == 0x8b && wide && saved_reg(reg) != SAVED_REGS) {
		if (at_sp)
			load(w, reg, w->by_bp, w->sp + in->disp);
		else if (at_bp && bp_is_kept(w))
			load(w, reg, true, in->disp);
	} else if (in->opcode == 0x89 && wide && in->mod == 3 && rm_of(in) == SP) {
		if (reg == BP)
			set_sp_by_bp(w, 0);
		else
			w->lost = true;
	}
}

/* add, sub of a register. */
static void compute_variably(struct way *w, const struct x86_insn *in)
{
	bool to_rm = in->opcode == 0x01 || in->opcode == 0x29;

	w->lost |= to_rm ? in->mod == 3 && rm_of(in) == SP : reg_of(in) == SP;
}

/* add, sub, and with an immediate. */
static void compute(struct way *w, const struct x86_insn *in)
{
	if (in->mod != 3 || rm_of(in) != SP)
		return;
	if (in->reg == 0)
		move_sp(w, in->imm);
	else if (in->reg == 5)
		move_sp(w, -in->imm);
	else if (in->reg != 7)
		w->lost = true;
}

static void leave(struct way *w)
{
	set_sp_by_bp(w, 0);
	pop(w, BP);
}

static void branch_later(struct search *s, const struct way *w, uint64_t to)
{
	for (unsigned int i = 0; i < s->seen_count; i++)
		if (s->seen[i] == to)
			return;
	if (s->seen_count == SEEN_MAX || s->way_count == WAYS_MAX)
		return;
	s->seen[s->seen_count++] = to;
	s->ways[s->way_count] = *w;
	s->ways[s->way_count++].ip = to;
}

static enum next jump(struct search *s, struct way *w, uint64_t to)
{
	for (unsigned int i = 0; i < s->seen_count; i++)
		if (s->seen[i] == to)
			return NEVER_RETURNS;	/* this way, whose rest is or will be another's */
	if (s->seen_count < SEEN_MAX)
		s->seen[s->seen_count++] = to;
	w->ip = to;
	return GO_ON;
}

static enum next group_ff(struct way *w, const struct x86_insn *in)
{
	if (in->reg == 6)
		move_sp(w, -8);
	if (in->reg != 4 && in->reg != 5)
		return GO_ON;
	/* to another object: the last call. Others may be tables of a switch. */
	return in->mod == 0 && in->rm == 5 ? RETURNS : UNKNOWN;
}

/* @w->ip is behind the instruction. */
static enum next one_byte(struct search *s, struct way *w, const struct x86_insn *in)
{
	uint64_t to = w->ip + (uint64_t)in->imm;

	switch (in->opcode) {
	case 0x50: case 0x51: case 0x52: case 0x53: case 0x54: case 0x55: case 0x56: case 0x57:
	case 0x68: case 0x6a: case 0x9c:
		move_sp(w, -8);
		break;
	case 0x58: case 0x59: case 0x5a: case 0x5b: case 0x5c: case 0x5d: case 0x5e: case 0x5f:
		pop(w, (in->opcode & 7u) | (in->rex & 1u) << 3);
		break;
	case 0x8f: case 0x9d:
		move_sp(w, 8);
		break;
	case 0x01: case 0x03: case 0x29: case 0x2b:
		compute_variably(w, in);
		break;
	case 0x81: case 0x83:
		compute(w, in);
		break;
	case 0x89: case 0x8b: case 0x8d:
		move(w, in);
		break;
	case 0xc8: case 0xcf: case 0xca: case 0xcb:
		return UNKNOWN;
	case 0xc9:
		leave(w);
		break;
	case 0xc2: case 0xc3:
		return RETURNS;
	case 0xcc: case 0xf4:
		return NEVER_RETURNS;
	case 0xe8:
		return s->code->is_final(s->code->arg, to) ? NEVER_RETURNS : GO_ON;
	case 0xe9: case 0xeb:
		return jump(s, w, to);
	case 0xff:
		return group_ff(w, in);
	default:
		if ((in->opcode & 0xf0) == 0x70 || (in->opcode & 0xfc) == 0xe0)
			branch_later(s, w, to);
	}
	return GO_ON;
}

static enum next step(struct search *s, struct way *w)
{
	uint8_t bytes[X86_INSN_MAX];
	struct x86_insn in;

	if (++s->steps > STEPS_MAX ||
	    !x86_insn_decode(bytes, s->code->read(s->code->arg, w->ip, bytes, sizeof(bytes)), &in))
		return UNKNOWN;
	w->ip += in.length;
	if (in.vex)
		return GO_ON;
	if (in.map == X86_MAP_1BYTE)
		return one_byte(s, w, &in);
	if (in.map == X86_MAP_0F && in.opcode == 0x0b)
		return NEVER_RETURNS;
	if (in.map == X86_MAP_0F && (in.opcode & 0xf0) == 0x80)
		branch_later(s, w, w->ip + (uint64_t)in.imm);
	return GO_ON;
}

/* The way has come to a return. False: it does not tell what is needed. */
static bool tell(const struct way *w, struct epilogue *e)
{
	*e = (struct epilogue){ .by_bp = w->by_bp, .cfa = w->sp + 8 };
	if (w->lost || w->sp < 0 || w->sp > FRAME_MAX || w->sp % 8)
		return false;
	for (int r = 0; r < SAVED_REGS; r++) {
		if (!(w->loaded & bit(r)))
			continue;
		e->below[r] = e->cfa - w->from[r];
		if (!(w->loaded_by_bp & bit(r)) != !w->by_bp || e->below[r] <= 8 || e->below[r] % 8)
			return false;
	}
	return true;
}

static void follow(struct search *s, struct way w)
{
	struct epilogue e;
	enum next next;

	do {
		next = step(s, &w);
	} while (next == GO_ON);
	if (next == NEVER_RETURNS)
		return;
	if (next == UNKNOWN || !tell(&w, &e)) {
		s->unknown = true;
		return;
	}
	s->differs |= s->found && memcmp(&s->result, &e, sizeof(e)) != 0;
	s->result = e;
	s->found = true;
}

int epilogue_follow(const struct epilogue_code *code, uint64_t ip, struct epilogue *out)
{
	struct search s = { .code = code, .ways = { { .ip = ip } }, .way_count = 1 };

	while (s.way_count)
		follow(&s, s.ways[--s.way_count]);
	if (!s.found)
		return s.unknown ? -ENODATA : -ENOENT;
	if (s.differs)
		return -ENODATA;
	*out = s.result;
	return 0;
}

// SPDX-License-Identifier: MIT
/* cfi_row.c - see cfi_row.h. */
#include "cfi_row.h"

#include "dwarf_reader.h"
#include "eh_frame.h"
#include "objects.h"

/* Pointer encodings (LSB 10.5.1). */
enum { PE_SDATA4 = 0x0b, PE_SDATA8 = 0x0c, PE_UDATA4 = 0x03, PE_PCREL = 0x10, PE_DATAREL = 0x30 };

/* Call frame instructions (DWARF 5, table 7.29, and GNU extensions). */
enum {
	CFA_NOP = 0x00, CFA_SET_LOC = 0x01, CFA_ADVANCE1 = 0x02, CFA_ADVANCE2 = 0x03,
	CFA_ADVANCE4 = 0x04, CFA_OFFSET_EXT = 0x05, CFA_RESTORE_EXT = 0x06, CFA_UNDEFINED = 0x07,
	CFA_SAME = 0x08, CFA_REGISTER = 0x09, CFA_REMEMBER = 0x0a, CFA_RESTORE_STATE = 0x0b,
	CFA_DEF = 0x0c, CFA_DEF_REG = 0x0d, CFA_DEF_OFF = 0x0e, CFA_DEF_EXPR = 0x0f,
	CFA_EXPR = 0x10, CFA_OFFSET_EXT_SF = 0x11, CFA_DEF_SF = 0x12, CFA_DEF_OFF_SF = 0x13,
	CFA_VAL_OFFSET = 0x14, CFA_VAL_OFFSET_SF = 0x15, CFA_VAL_EXPR = 0x16,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_ADVANCE = 0x40, CFA_OFFSET = 0x80, CFA_RESTORE = 0xc0,
};

struct cie {
	uint64_t code_align;
	int64_t data_align;
	uint8_t fde_enc;
	bool has_aug, signal;
	struct reader insns;
};

/* The body of the CIE or FDE at @p, its length field honoured. */
static struct reader entry_at(const uint8_t *p)
{
	struct reader r = { p, p + 12, false };
	uint64_t len = rd_fixed(&r, 4);

	if (len == 0xffffffffu)
		len = rd_fixed(&r, 8);
	if (len == 0 || len > (16u << 20))
		r.bad = true;
	r.end = r.bad ? r.p : r.p + len;
	return r;
}

/* An encoded address of the kinds linkers emit for FDEs; others make the entry unusable. */
static uintptr_t rd_encoded(struct reader *r, uint8_t enc, bool relative)
{
	uintptr_t at = (uintptr_t)r->p;
	uint64_t v;

	switch (enc & 0x0f) {
	case 0:
	case PE_SDATA8:
		v = rd_fixed(r, 8);
		break;
	case PE_SDATA4:
		v = (uint64_t)(int64_t)(int32_t)rd_fixed(r, 4);
		break;
	case PE_UDATA4:
		v = rd_fixed(r, 4);
		break;
	default:
		r->bad = true;
		return 0;
	}
	if (!relative)
		return v;
	if ((enc & 0xf0) == PE_PCREL)
		v += at;
	else if (enc & 0xf0)
		r->bad = true;
	return v;
}

static void parse_augmentation(struct cie *c, struct reader *r, const char *aug)
{
	uint64_t len = rd_uleb(r);
	struct reader body = *r;

	rd_skip(r, len);
	body.end = r->p;
	c->has_aug = true;
	for (aug++; *aug; aug++) {
		switch (*aug) {
		case 'R':
			c->fde_enc = (uint8_t)rd_fixed(&body, 1);
			break;
		case 'L':
			rd_fixed(&body, 1);
			break;
		case 'P':
			rd_encoded(&body, (uint8_t)rd_fixed(&body, 1), false);
			break;
		case 'S':
			c->signal = true;
			break;
		default:
			r->bad = true;
			return;
		}
	}
	r->bad |= body.bad;
}

static bool parse_cie(struct cie *c, const uint8_t *p)
{
	struct reader r = entry_at(p);
	const char *aug;
	uint8_t version;

	memset(c, 0, sizeof(*c));
	if (rd_fixed(&r, 4) != 0)
		return false;
	version = (uint8_t)rd_fixed(&r, 1);
	aug = (const char *)r.p;
	while (!r.bad && rd_fixed(&r, 1))
		;
	c->code_align = rd_uleb(&r);
	c->data_align = rd_sleb(&r);
	if ((version == 1 ? rd_fixed(&r, 1) : rd_uleb(&r)) != CFI_REG_RA || r.bad)
		return false;
	if (aug[0] == 'z')
		parse_augmentation(c, &r, aug);
	else if (aug[0])
		return false;
	c->insns = r;
	return !r.bad;
}

static void set_rule(struct cfi_row *row, uint64_t reg, enum cfi_rule_kind kind, int64_t off)
{
	if (reg < CFI_REGS)
		row->rule[reg] = (struct cfi_reg_rule){ .kind = (uint8_t)kind, .off = off };
}

static void restore_rule(struct cfi_row *row, const struct cfi_row *initial, uint64_t reg)
{
	if (reg < CFI_REGS)
		row->rule[reg] = initial->rule[reg];
}

static void rd_cfa_expr(struct reader *r, struct cfi_row *row)
{
	uint64_t len = rd_uleb(r);

	row->cfa_expr = r->p;
	row->cfa_expr_len = (uint32_t)len;
	rd_skip(r, len);
}

static void rd_reg_expr(struct reader *r, struct cfi_row *row, enum cfi_rule_kind kind)
{
	uint64_t reg = rd_uleb(r);
	uint64_t len = rd_uleb(r);

	set_rule(row, reg, kind, 0);
	if (reg < CFI_REGS) {
		row->rule[reg].expr = r->p;
		row->rule[reg].expr_len = (uint32_t)len;
	}
	rd_skip(r, len);
}

static void def_cfa(struct cfi_row *row, uint64_t reg, int64_t off)
{
	row->cfa_reg = reg;
	row->cfa_off = off;
	row->cfa_expr = NULL;
}

#define REMEMBER_MAX 4

struct run {
	struct cfi_row row, initial, saved[REMEMBER_MAX];
	unsigned int depth;
	uintptr_t loc;
};

/* Instructions whose operand follows in the stream. False: not understood. */
static bool extended_insn(struct run *s, const struct cie *c, struct reader *r, uint8_t op)
{
	uint64_t reg;

	switch (op) {
	case CFA_NOP:
		return true;
	case CFA_ADVANCE1:
		s->loc += rd_fixed(r, 1) * c->code_align;
		return true;
	case CFA_ADVANCE2:
		s->loc += rd_fixed(r, 2) * c->code_align;
		return true;
	case CFA_ADVANCE4:
		s->loc += rd_fixed(r, 4) * c->code_align;
		return true;
	case CFA_OFFSET_EXT:
		reg = rd_uleb(r);
		set_rule(&s->row, reg, R_OFFSET, (int64_t)rd_uleb(r) * c->data_align);
		return true;
	case CFA_OFFSET_EXT_SF:
		reg = rd_uleb(r);
		set_rule(&s->row, reg, R_OFFSET, rd_sleb(r) * c->data_align);
		return true;
	case CFA_RESTORE_EXT:
		restore_rule(&s->row, &s->initial, rd_uleb(r));
		return true;
	case CFA_UNDEFINED:
		set_rule(&s->row, rd_uleb(r), R_UNDEFINED, 0);
		return true;
	case CFA_SAME:
		set_rule(&s->row, rd_uleb(r), R_SAME, 0);
		return true;
	case CFA_REGISTER:
		reg = rd_uleb(r);
		set_rule(&s->row, reg, R_REGISTER, (int64_t)rd_uleb(r));
		return true;
	case CFA_VAL_OFFSET:
		reg = rd_uleb(r);
		set_rule(&s->row, reg, R_VAL_OFFSET, (int64_t)rd_uleb(r) * c->data_align);
		return true;
	case CFA_VAL_OFFSET_SF:
		reg = rd_uleb(r);
		set_rule(&s->row, reg, R_VAL_OFFSET, rd_sleb(r) * c->data_align);
		return true;
	case CFA_REMEMBER:
		if (s->depth == REMEMBER_MAX)
			return false;
		s->saved[s->depth++] = s->row;
		return true;
	case CFA_RESTORE_STATE:
		if (s->depth == 0)
			return false;
		s->row = s->saved[--s->depth];
		return true;
	case CFA_DEF:
		reg = rd_uleb(r);
		def_cfa(&s->row, reg, (int64_t)rd_uleb(r));
		return true;
	case CFA_DEF_SF:
		reg = rd_uleb(r);
		def_cfa(&s->row, reg, rd_sleb(r) * c->data_align);
		return true;
	case CFA_DEF_REG:
		def_cfa(&s->row, rd_uleb(r), s->row.cfa_off);
		return true;
	case CFA_DEF_OFF:
		s->row.cfa_off = (int64_t)rd_uleb(r);
		return true;
	case CFA_DEF_OFF_SF:
		s->row.cfa_off = rd_sleb(r) * c->data_align;
		return true;
	case CFA_DEF_EXPR:
		rd_cfa_expr(r, &s->row);
		return true;
	case CFA_EXPR:
		rd_reg_expr(r, &s->row, R_EXPR);
		return true;
	case CFA_VAL_EXPR:
		rd_reg_expr(r, &s->row, R_VAL_EXPR);
		return true;
	case CFA_GNU_ARGS_SIZE:
		rd_uleb(r);
		return true;
	default:
		return false;
	}
}

/* Runs instructions until the row behind the current one would start after @pc. */
static bool run_insns(struct run *s, const struct cie *c, const struct reader *insns, uintptr_t pc)
{
	struct reader r = *insns;

	while (r.p < r.end && !r.bad) {
		uint8_t op = (uint8_t)rd_fixed(&r, 1);
		uint8_t low = op & 0x3f;

		switch (op & 0xc0) {
		case CFA_ADVANCE:
			s->loc += low * c->code_align;
			break;
		case CFA_OFFSET:
			set_rule(&s->row, low, R_OFFSET, (int64_t)rd_uleb(&r) * c->data_align);
			break;
		case CFA_RESTORE:
			restore_rule(&s->row, &s->initial, low);
			break;
		default:
			if (!extended_insn(s, c, &r, op))
				return false;
		}
		if (s->loc > pc)
			return true;
	}
	return !r.bad;
}

static enum cfi_kind row_from_fde(const uint8_t *fde, uintptr_t pc, struct cfi_row *row, bool *signal)
{
	struct reader r = entry_at(fde);
	const uint8_t *at = r.p;
	uint64_t cie_off = rd_fixed(&r, 4);
	struct run s = { .row = { .cfa_reg = CFI_REGS } };
	struct cie c;
	uintptr_t begin, size;

	if (r.bad || !cie_off || !parse_cie(&c, at - cie_off))
		return CFI_NONE;
	begin = rd_encoded(&r, c.fde_enc, true);
	size = rd_encoded(&r, c.fde_enc, false);
	if (c.has_aug)
		rd_skip(&r, rd_uleb(&r));
	if (r.bad || pc < begin || pc - begin >= size)
		return CFI_NONE;
	if (!run_insns(&s, &c, &c.insns, UINTPTR_MAX))
		return CFI_NONE;
	s.initial = s.row;
	s.loc = begin;
	if (!run_insns(&s, &c, &r, pc))
		return CFI_NONE;
	*row = s.row;
	*signal = c.signal;
	return s.row.rule[CFI_REG_RA].kind == R_UNDEFINED ? CFI_END : CFI_STEP;
}

struct hdr_entry {
	int32_t loc, fde;	/* relative to the header */
};

/* The last entry of the sorted table that starts at or before @pc. */
static const struct hdr_entry *search_table(const struct hdr_entry *t, uint64_t n, intptr_t pc)
{
	uint64_t lo = 0, hi = n;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (t[mid].loc <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? &t[lo - 1] : NULL;
}

static enum cfi_kind row_from_hdr(const uint8_t *hdr, uintptr_t pc, struct cfi_row *row, bool *signal)
{
	struct reader r = { hdr + 4, hdr + 24, false };
	const struct hdr_entry *e;
	uint64_t count;

	/* version, pointer to .eh_frame, count, and the table as all linkers write it */
	if (hdr[0] != 1 || hdr[2] != PE_UDATA4 || hdr[3] != (PE_DATAREL | PE_SDATA4))
		return CFI_NONE;
	rd_encoded(&r, hdr[1], false);
	count = rd_fixed(&r, 4);
	if (r.bad)
		return CFI_NONE;
	e = search_table((const void *)r.p, count, (intptr_t)(pc - (uintptr_t)hdr));
	return e ? row_from_fde(hdr + e->fde, pc, row, signal) : CFI_NONE;
}

enum cfi_kind cfi_find_row(uintptr_t pc, struct cfi_row *row, bool *signal)
{
	struct object o;

	const uint8_t *fde;

	if (!objects_find(pc, &o))
		return CFI_NONE;
	if (o.frames)
		return row_from_hdr(o.frames, pc, row, signal);
	fde = o.section ? eh_frame_entry(o.section, o.section_end, pc) : NULL;
	return fde ? row_from_fde(fde, pc, row, signal) : CFI_NONE;
}

// SPDX-License-Identifier: MIT
/* x86_insn.c - see x86_insn.h. */
#include "x86_insn.h"

#include <string.h>

/*
 * What follows an opcode: '-' nothing, 'm' ModRM, 'b' 'w' 'z' an immediate of 1, 2, 4
 * bytes (z: 2 with an operand size prefix), 'v' 4 or 8, 'o' 8, 'e' 3; 'B' 'Z' ModRM
 * and b or z; 'T' ModRM, and an immediate if its reg is 0 or 1; 'p' another prefix
 * before the opcode; 'x' no such instruction.
 */
static const char one_byte[256 + 1] =
	"mmmmbzxxmmmmbzx-"	/* 00; 0f: the next map */
	"mmmmbzxxmmmmbzxx"
	"mmmmbzpxmmmmbzpx"
	"mmmmbzpxmmmmbzpx"
	"----------------"	/* 40: REX */
	"----------------"
	"xx-mppppzZbB----"	/* 60; 62: EVEX */
	"bbbbbbbbbbbbbbbb"
	"BZxBmmmmmmmmmmmm"	/* 80 */
	"----------x-----"
	"oooo----bz------"	/* a0 */
	"bbbbbbbbvvvvvvvv"
	"BBw---BZe-w--bx-"	/* c0; c4, c5: VEX */
	"mmmmxxx-mmmmmmmm"
	"bbbbbbbbzzxb----"	/* e0 */
	"p-pp--TT------mm";

static const char two_bytes[256 + 1] =
	"mmmmx-----x-xm-x"	/* 0f 00 */
	"mmmmmmmmmmmmmmmm"
	"mmmmxxxxmmmmmmmm"
	"--------mxBxxxxx"	/* 38, 3a: the next maps */
	"mmmmmmmmmmmmmmmm"
	"mmmmmmmmmmmmmmmm"
	"mmmmmmmmmmmmmmmm"
	"BBBBmmm-mmmmmmmm"
	"zzzzzzzzzzzzzzzz"	/* 80 */
	"mmmmmmmmmmmmmmmm"
	"---mBmxx---mBmmm"	/* a0 */
	"mmmmmmmmmmBmmmmm"
	"mmBmBBBm--------"	/* c0 */
	"mmmmmmmmmmmmmmmm"
	"mmmmmmmmmmmmmmmm"
	"mmmmmmmmmmmmmmmm";

struct cursor {
	const uint8_t *at, *end;
	bool bad;
};

static uint8_t take(struct cursor *c)
{
	if (c->at >= c->end) {
		c->bad = true;
		return 0;
	}
	return *c->at++;
}

/* A little-endian number of @size bytes, sign-extended. */
static int64_t take_number(struct cursor *c, unsigned int size)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < size; i++)
		v |= (uint64_t)take(c) << (8 * i);
	return size && size < 8 ? (int64_t)(v << (64 - 8 * size)) >> (64 - 8 * size) : (int64_t)v;
}

static void take_modrm(struct cursor *c, struct x86_insn *in)
{
	uint8_t byte = take(c), sib;

	in->has_modrm = true;
	in->mod = byte >> 6;
	in->reg = byte >> 3 & 7;
	in->rm = byte & 7;
	if (in->mod == 3)
		return;
	if (in->rm == 4) {
		sib = take(c);
		in->base = sib & 7;
		in->indexed = (sib >> 3 & 7) != 4 || (in->rex & 2);
	}
	if (in->mod == 1)
		in->disp = (int32_t)take_number(c, 1);
	else if (in->mod == 2 || in->rm == 5 || (in->rm == 4 && in->base == 5))
		in->disp = (int32_t)take_number(c, 4);
}

/* @c is behind the first byte of a VEX or EVEX prefix. What follows the opcode. */
static char take_vex(struct cursor *c, struct x86_insn *in, uint8_t first)
{
	unsigned int map = 1;

	in->vex = true;
	if (first != 0xc5)
		map = take(c) & (first == 0x62 ? 0x07 : 0x1f);
	take(c);
	if (first == 0x62)
		take(c);
	in->opcode = take(c);
	in->map = (uint8_t)map;
	if (map == X86_MAP_0F)
		return two_bytes[in->opcode] == 'B' || in->opcode == 0x77 ?
			two_bytes[in->opcode] : 'm';
	return map == X86_MAP_0F3A ? 'B' : map == X86_MAP_0F38 || map == 5 || map == 6 ? 'm' : 'x';
}

static char take_opcode(struct cursor *c, struct x86_insn *in, bool *narrow)
{
	uint8_t byte = take(c);

	while (one_byte[byte] == 'p' && !c->bad) {
		*narrow |= byte == 0x66;
		byte = take(c);
	}
	if ((byte & 0xf0) == 0x40) {
		in->rex = byte;
		byte = take(c);
	}
	if (byte == 0xc4 || byte == 0xc5 || byte == 0x62)
		return take_vex(c, in, byte);
	in->opcode = byte;
	if (byte != 0x0f)
		return one_byte[byte];
	in->map = X86_MAP_0F;
	in->opcode = take(c);
	if (in->opcode != 0x38 && in->opcode != 0x3a)
		return two_bytes[in->opcode];
	in->map = in->opcode == 0x38 ? X86_MAP_0F38 : X86_MAP_0F3A;
	in->opcode = take(c);
	return in->map == X86_MAP_0F38 ? 'm' : 'B';
}

static unsigned int immediate_size(const struct x86_insn *in, char form, bool narrow)
{
	/* near calls and jumps keep their 4 bytes */
	bool branch = (!in->map && (in->opcode & 0xfe) == 0xe8) || in->map == X86_MAP_0F;

	switch (form) {
	case 'b': case 'B':
		return 1;
	case 'w':
		return 2;
	case 'e':
		return 3;
	case 'z': case 'Z':
		return narrow && !branch ? 2 : 4;
	case 'v':
		return in->rex & 8 ? 8 : narrow ? 2 : 4;
	case 'o':
		return 8;
	case 'T':
		return in->reg > 1 ? 0 : in->opcode == 0xf6 ? 1 : narrow ? 2 : 4;
	default:
		return 0;
	}
}

bool x86_insn_decode(const uint8_t *code, size_t size, struct x86_insn *out)
{
	struct cursor c = { code, code + (size < X86_INSN_MAX ? size : X86_INSN_MAX), false };
	struct x86_insn in = { .length = 0 };
	bool narrow = false;
	char form = take_opcode(&c, &in, &narrow);

	if (form == 'x' || c.bad)
		return false;
	if (strchr("mBZT", form))
		take_modrm(&c, &in);
	in.imm = take_number(&c, immediate_size(&in, form, narrow));
	if (c.bad)
		return false;
	in.length = (uint8_t)(c.at - code);
	*out = in;
	return true;
}

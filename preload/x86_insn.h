// SPDX-License-Identifier: MIT
/*
 * x86_insn.h - where an x86-64 instruction ends, and its parts.
 *
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2,
 * 2.1 to 2.7 (prefixes, ModRM, VEX, EVEX) and appendix A (opcode maps).
 */
#ifndef PRELOAD_X86_INSN_H
#define PRELOAD_X86_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define X86_INSN_MAX 15

enum x86_map { X86_MAP_1BYTE = 0, X86_MAP_0F = 1, X86_MAP_0F38 = 2, X86_MAP_0F3A = 3 };

struct x86_insn {
	uint8_t length;
	uint8_t map;		/* enum x86_map */
	uint8_t opcode;
	uint8_t rex;		/* 0: none */
	bool has_modrm, vex;	/* (vex: or EVEX; rex is not filled in then) */
	uint8_t mod, reg, rm;	/* without the bits of rex; rm 4: see base */
	uint8_t base;		/* of the SIB byte, if there is one: likewise */
	bool indexed;		/* ... and has an index */
	int32_t disp;
	int64_t imm;		/* sign-extended; relative jumps: the displacement */
};

/* The instruction that begins the `size` bytes at @code. False: there is none, or it is cut off. */
bool x86_insn_decode(const uint8_t *code, size_t size, struct x86_insn *out);

#define X86_SIGRETURN_SIZE 9

/* Is this where signal handlers return to: mov $15, %rax (SYS_rt_sigreturn); syscall? */
static inline bool x86_is_sigreturn(const uint8_t code[X86_SIGRETURN_SIZE])
{
	static const uint8_t is[X86_SIGRETURN_SIZE] = { 0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 5 };

	return !memcmp(code, is, sizeof(is));
}

#endif

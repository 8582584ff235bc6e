// SPDX-License-Identifier: MIT
/* cfi_epilogue.c - see cfi_epilogue.h. */
#include "cfi_epilogue.h"

#if defined(__x86_64__)

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler.h"
#include "epilogue.h"
#include "x86_insn.h"
#include "libc.h"
#include "objects.h"

enum { OP_DEREF = 0x06, OP_BREG7 = 0x77 };	/* DWARF 5, 7.7.1 */

extern void __stack_chk_fail(void);

struct text {
	uintptr_t start, end;
};

/* Of musl; empty: this is another C library. */
static struct text musl_text(void)
{
	const ElfW(Ehdr) *elf;
	const ElfW(Phdr) *ph;
	struct object libc;

	if (!libc_is_musl() || !objects_find((uintptr_t)dl_iterate_phdr, &libc))
		return (struct text){ 0, 0 };
	elf = (const void *)libc.start;
	ph = (const void *)(libc.start + elf->e_phoff);
	for (unsigned int i = 0; i < elf->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && (ph[i].p_flags & PF_X))
			return (struct text){ libc.bias + ph[i].p_vaddr,
					      libc.bias + ph[i].p_vaddr + ph[i].p_memsz };
	return (struct text){ 0, 0 };
}

static size_t read_code(void *arg, uint64_t at, uint8_t *to, size_t size)
{
	const struct text *text = arg;

	if (at < text->start || at >= text->end)
		return 0;
	if (size > text->end - at)
		size = text->end - at;
	memcpy(to, (const void *)at, size);
	return size;
}

static bool is_final(void *arg, uint64_t addr)
{
	static void *const final[] = {
		(void *)exit, (void *)abort, (void *)pthread_exit, (void *)quick_exit,
		(void *)longjmp, (void *)__assert_fail, (void *)__stack_chk_fail,
	};

	(void)arg;
	for (size_t i = 0; i < sizeof(final) / sizeof(final[0]); i++)
		if ((uint64_t)final[i] == addr)
			return true;
	return false;
}

static const uint8_t dwarf_reg[SAVED_REGS] = { CFI_REG_BX, CFI_REG_BP, CFI_REG_R12, 13, 14, 15 };

static void fill(struct cfi_row *row, const struct epilogue *e)
{
	*row = (struct cfi_row){ .cfa_reg = e->by_bp ? CFI_REG_BP : CFI_REG_SP, .cfa_off = e->cfa };
	row->rule[CFI_REG_RA] = (struct cfi_reg_rule){ .kind = R_OFFSET, .off = -8 };
	for (int r = 0; r < SAVED_REGS; r++)
		if (e->below[r])
			row->rule[dwarf_reg[r]] = (struct cfi_reg_rule){ .kind = R_OFFSET,
									 .off = -e->below[r] };
}

/* ---- signal handlers return here ------------------------------------------------------ */

/* Of a register: what lies at sp + its offset in the kernel's struct ucontext. */
static const uint8_t places[CFI_REGS][3] = {
	[CFI_REG_BX] = { OP_BREG7, 0x80, 1 },	/* 128, as signed LEB128 */
	[CFI_REG_BP] = { OP_BREG7, 0xf8, 0 },
	[CFI_REG_R12] = { OP_BREG7, 0xc8, 0 },
	[13] = { OP_BREG7, 0xd0, 0 },
	[14] = { OP_BREG7, 0xd8, 0 },
	[15] = { OP_BREG7, 0xe0, 0 },
	[CFI_REG_RA] = { OP_BREG7, 0xa8, 1 },
};
static const uint8_t saved_sp[] = { OP_BREG7, 0xa0, 1, OP_DEREF };

static bool returns_from_signal(const struct text *text, uintptr_t ip)
{
	return text->end - ip >= X86_SIGRETURN_SIZE && x86_is_sigreturn((const uint8_t *)ip);
}

static void fill_interrupted(struct cfi_row *row)
{
	*row = (struct cfi_row){ .cfa_expr = saved_sp, .cfa_expr_len = sizeof(saved_sp) };
	for (int r = 0; r < CFI_REGS; r++)
		if (places[r][0])
			row->rule[r] = (struct cfi_reg_rule){ .kind = R_EXPR, .expr = places[r],
							      .expr_len = sizeof(places[r]) };
}

/* -------------------------------------------------------------------------------------- */

enum cfi_kind cfi_row_by_epilogue(uintptr_t ip, struct cfi_row *row, bool *signal)
{
	struct text text = musl_text();
	struct epilogue_code code = { read_code, is_final, &text };
	struct epilogue e;
	int err;

	if (ip < text.start || ip >= text.end)
		return CFI_NONE;
	*signal = returns_from_signal(&text, ip);
	if (*signal) {
		fill_interrupted(row);
		return CFI_STEP;
	}
	err = epilogue_follow(&code, ip, &e);
	if (err)
		return err == -ENOENT ? CFI_END : CFI_NONE;
	fill(row, &e);
	return CFI_STEP;
}

#else

enum cfi_kind cfi_row_by_epilogue(uintptr_t ip, struct cfi_row *row, bool *signal)
{
	(void)ip;
	(void)row;
	(void)signal;
	return CFI_NONE;
}

#endif

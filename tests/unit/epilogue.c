// SPDX-License-Identifier: MIT
/*
 * Following code to its return (preload/epilogue.h): functions made for the purpose,
 * and all of the C library's, whose call frame information says what is right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload/cfi_row.h"
#include "preload/epilogue.h"
#include "preload/recorder.h"
#include "preload/x86_insn.h"

struct recorder recorder;	/* not frozen */

#if defined(__x86_64__)

/* ---- made for the purpose ------------------------------------------------------------- */

struct bytes {
	const uint8_t *at;
	size_t size;
};

static size_t read_bytes(void *arg, uint64_t at, uint8_t *to, size_t size)
{
	const struct bytes *b = arg;

	if (at >= b->size)
		return 0;
	if (size > b->size - at)
		size = b->size - at;
	memcpy(to, b->at + at, size);
	return size;
}

/* Addresses from 0x40 on are functions that never return. */
static bool is_far(void *arg, uint64_t addr)
{
	(void)arg;
	return addr >= 0x40;
}

static int follow(const uint8_t *code, size_t size, struct epilogue *e)
{
	struct bytes b = { code, size };

	return epilogue_follow(&(struct epilogue_code){ read_bytes, is_far, &b }, 0, e);
}

#define FOLLOW(e, ...)                                                                             \
	follow((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }), e)

static void what_is_popped(void **state)
{
	struct epilogue e;

	(void)state;
	/* add $8,%rsp; pop %rbp; pop %r12; ret */
	assert_int_equal(FOLLOW(&e, 0x48, 0x83, 0xc4, 8, 0x5d, 0x41, 0x5c, 0xc3), 0);
	assert_false(e.by_bp);
	assert_int_equal(e.cfa, 32);
	assert_int_equal(e.below[SAVED_BP], 24);
	assert_int_equal(e.below[SAVED_R12], 16);
	assert_int_equal(e.below[SAVED_BX], 0);
}

static void frame_pointers(void **state)
{
	struct epilogue e;

	(void)state;
	/* and $-16,%rsp; lea -8(%rbp),%rsp; pop %rbx; pop %rbp; ret */
	assert_int_equal(FOLLOW(&e, 0x48, 0x83, 0xe4, 0xf0, 0x48, 0x8d, 0x65, 0xf8, 0x5b, 0x5d, 0xc3), 0);
	assert_true(e.by_bp);
	assert_int_equal(e.cfa, 16);
	assert_int_equal(e.below[SAVED_BP], 16);
	assert_int_equal(e.below[SAVED_BX], 24);
	/* leave; ret */
	assert_int_equal(FOLLOW(&e, 0xc9, 0xc3), 0);
	assert_true(e.by_bp);
	assert_int_equal(e.below[SAVED_BP], 16);
}

static void branches(void **state)
{
	struct epilogue e;

	(void)state;
	/* 0: test %eax,%eax; je 10; push $1; pop %rcx; jmp 0; 10: pop %rbx; ret (a loop) */
	assert_int_equal(FOLLOW(&e, 0x85, 0xc0, 0x74, 6, 0x6a, 1, 0x59, 0xeb, 0xf7, 0x90, 0x5b, 0xc3), 0);
	assert_int_equal(e.cfa, 16);
	/* two ways that contradict each other: je 5; pop %rbx; ret; nop; 5: ret */
	assert_int_equal(FOLLOW(&e, 0x74, 3, 0x5b, 0xc3, 0x90, 0xc3), -ENODATA);
}

static void ends_that_are_none(void **state)
{
	struct epilogue e;

	(void)state;
	/* call 0x1005; (another function:) push %rbx; ret */
	assert_int_equal(FOLLOW(&e, 0xe8, 0, 0x10, 0, 0, 0x53, 0xc3), -ENOENT);
	/* je 8; call 0x1008; nop; 8: pop %rbx; ret */
	assert_int_equal(FOLLOW(&e, 0x74, 6, 0xe8, 1, 0x10, 0, 0, 0x90, 0x5b, 0xc3), 0);
	assert_int_equal(e.cfa, 16);
	/* hlt; and code that goes on beyond what can be read */
	assert_int_equal(FOLLOW(&e, 0xf4), -ENOENT);
	assert_int_equal(FOLLOW(&e, 0x90, 0x90), -ENODATA);
	/* jmp *%rax, perhaps by a table */
	assert_int_equal(FOLLOW(&e, 0xff, 0xe0), -ENODATA);
}

/* pop %rbx; jmp 4; 4: push %rbx; sub $16,%rsp; add $16,%rsp; pop %rbx; ret */
static void last_call(void **state)
{
	struct epilogue e;

	(void)state;
	assert_int_equal(FOLLOW(&e, 0x5b, 0xeb, 1, 0xcc, 0x53, 0x48, 0x83, 0xec, 16, 0x48, 0x83, 0xc4,
				16, 0x5b, 0xc3), 0);
	assert_int_equal(e.cfa, 16);
	assert_int_equal(e.below[SAVED_BX], 16);
}

/* ---- the C library ----------------------------------------------------------------------- */

struct library {
	uintptr_t text, text_end;
	const uint8_t *hdr;	/* .eh_frame_hdr */
	unsigned long calls, right, wrong, unknown, undecoded, functions;
};

static int find_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct library *l = arg;

	(void)size;
	if (!strstr(info->dlpi_name, "/libc.so"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type == PT_GNU_EH_FRAME)
			l->hdr = (const void *)(info->dlpi_addr + ph->p_vaddr);
		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
			continue;
		l->text = info->dlpi_addr + ph->p_vaddr;
		l->text_end = l->text + ph->p_memsz;
	}
	return 1;
}

static size_t read_library(void *arg, uint64_t at, uint8_t *to, size_t size)
{
	const struct library *l = arg;

	if (at < l->text || at >= l->text_end)
		return 0;
	if (size > l->text_end - at)
		size = l->text_end - at;
	memcpy(to, (const void *)at, size);
	return size;
}

static bool is_final(void *arg, uint64_t addr)
{
	static const char *const names[] = { "exit", "abort", "_exit", "__stack_chk_fail",
					     "__assert_fail", "__libc_fatal", "pthread_exit",
					     "__fortify_fail", "__chk_fail", "_longjmp" };

	(void)arg;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((uint64_t)dlsym(RTLD_DEFAULT, names[i]) == addr)
			return true;
	return false;
}

static bool agrees(const struct cfi_row *row, const struct epilogue *e)
{
	static const int numbers[SAVED_REGS] = { CFI_REG_BX, CFI_REG_BP, CFI_REG_R12, 13, 14, 15 };

	if (e->cfa != row->cfa_off)
		return false;
	for (int r = 0; r < SAVED_REGS; r++) {
		const struct cfi_reg_rule *rule = &row->rule[numbers[r]];

		if (e->below[r] != (rule->kind == R_OFFSET ? -rule->off : 0))
			return false;
	}
	return true;
}

static void compare(struct library *l, uintptr_t ip)
{
	const struct epilogue_code code = { read_library, is_final, l };
	struct cfi_row row;
	struct epilogue e;
	bool signal;

	if (cfi_find_row(ip - 1, &row, &signal) != CFI_STEP || row.cfa_expr)
		return;
	l->calls++;
	if (epilogue_follow(&code, ip, &e))
		l->unknown++;
	else if (e.by_bp != (row.cfa_reg == CFI_REG_BP) || agrees(&row, &e))
		l->right++;	/* (of the same frame, two bases can't be compared) */
	else
		l->wrong++;
}

static void compare_calls(struct library *l, uintptr_t at, uintptr_t end)
{
	struct x86_insn in;

	for (; at < end; at += in.length) {
		if (!x86_insn_decode((const void *)at, end - at, &in)) {
			l->undecoded++;
			return;
		}
		if (!in.vex && in.map == X86_MAP_1BYTE &&
		    ((in.opcode == 0xe8 && !is_final(NULL, at + in.length + (uint64_t)in.imm)) ||
		     (in.opcode == 0xff && in.reg == 2)) && at + in.length < end)
			compare(l, at + in.length);
	}
}

static void the_c_library(void **state)
{
	struct library l = { 0 };
	const int32_t *table;
	uint32_t count, size;

	(void)state;
	if (!dl_iterate_phdr(find_library, &l) || !l.hdr)
		skip();
	memcpy(&count, l.hdr + 8, sizeof(count));
	table = (const int32_t *)(l.hdr + 12);
	for (uint32_t i = 0; i < count; i++) {
		uintptr_t begin = (uintptr_t)l.hdr + (uintptr_t)(intptr_t)table[2 * i];

		memcpy(&size, l.hdr + table[2 * i + 1] + 12, sizeof(size));
		if (begin < l.text || begin + size > l.text_end)
			continue;
		l.functions++;
		compare_calls(&l, begin, begin + size);
	}
	printf("calls %lu: right %lu, wrong %lu, unknown %lu; functions %lu, not decoded %lu\n", l.calls,
	       l.right, l.wrong, l.unknown, l.functions, l.undecoded);
	assert_true(l.functions > 1000);
	assert_true(l.undecoded * 1000 <= l.functions);
	assert_true(l.right * 10 >= l.calls * 9);
	/* some come behind calls that never return, which this test does not know of */
	assert_true(l.wrong * 100 <= l.calls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_popped), cmocka_unit_test(frame_pointers),
		cmocka_unit_test(branches), cmocka_unit_test(ends_that_are_none),
		cmocka_unit_test(last_call), cmocka_unit_test(the_c_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	return 0;
}

#endif

// SPDX-License-Identifier: MIT
// Nodes of their own: void node(struct tree *t, int depth).
	.text

	// ---- without call frame information

	.globl	torture_asm_framed
	.type	torture_asm_framed, @function
torture_asm_framed:
	push	%rbp
	mov	%rsp, %rbp
	sub	$48, %rsp
	call	torture_step
	leave
	ret
	.size	torture_asm_framed, . - torture_asm_framed

	.globl	torture_asm_frameless
	.type	torture_asm_frameless, @function
torture_asm_frameless:
	sub	$40, %rsp
	call	torture_step
	add	$40, %rsp
	ret
	.size	torture_asm_frameless, . - torture_asm_frameless

	// rbp as a general register
	.globl	torture_asm_misuse
	.type	torture_asm_misuse, @function
torture_asm_misuse:
	push	%rbp
	mov	$0x1234567, %rbp
	call	torture_step
	pop	%rbp
	ret
	.size	torture_asm_misuse, . - torture_asm_misuse

	// ---- with frames of the same size, whose rules differ in what they say of rbp
	.macro	alike name
	.globl	torture_alike_\name
	.type	torture_alike_\name, @function
torture_alike_\name:
	.cfi_startproc
	.endm
	.macro	alike_end name
	ret
	.cfi_endproc
	.size	torture_alike_\name, . - torture_alike_\name
	.endm
	.macro	save_rbp
	push	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	.endm
	.macro	call_next
	sub	$16, %rsp
	.cfi_adjust_cfa_offset 16
	call	torture_alike
	add	$16, %rsp
	.cfi_adjust_cfa_offset -16
	.endm
	.macro	restore_rbp
	pop	%rbp
	.cfi_restore %rbp
	.cfi_def_cfa_offset 8
	.endm

	alike	plain
	sub	$8, %rsp
	.cfi_def_cfa_offset 16
	call_next
	add	$8, %rsp
	.cfi_def_cfa_offset 8
	alike_end plain

	alike	framed
	save_rbp
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	sub	$16, %rsp
	call	torture_alike
	leave
	.cfi_restore %rbp
	.cfi_def_cfa %rsp, 8
	alike_end framed

	alike	saved
	save_rbp
	call_next
	restore_rbp
	alike_end saved

	// rbp is a pointer into the stack, but no frame pointer
	alike	pointer
	save_rbp
	lea	80(%rsp), %rbp
	call_next
	restore_rbp
	alike_end pointer

	.section .note.GNU-stack, "", @progbits

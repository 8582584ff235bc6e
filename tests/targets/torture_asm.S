// SPDX-License-Identifier: MIT
// Nodes without call frame information: void node(struct tree *t, int depth).
	.text

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

	.section .note.GNU-stack, "", @progbits

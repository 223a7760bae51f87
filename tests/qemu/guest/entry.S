/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the CPUs of the bare guest start, and their interruptions. Everything
 * runs with interruptions off but the two that cannot be: program (probed
 * accesses, machine.c) and restart, by which the host answers.
 */
	.section .text.entry, "ax"
	.globl	_start
_start:
	larl	%r1, initial_psw
	lpswe	0(%r1)		/* 64-bit addressing, whatever it was before */
started:
	larl	%r15, stacks + STACK - 160
	brasl	%r14, main
	j	stop_cpu

	.globl	second_start
second_start:
	larl	%r15, stacks + 2 * STACK - 160
	brasl	%r14, second_main

	.globl	stop_cpu
stop_cpu:
	larl	%r1, stopped_psw
	lpswe	0(%r1)

/* A bell: counted, nothing else */
	.globl	restart_entry
restart_entry:
	stg	%r1, 0x200
	larl	%r1, bells
	agsi	0(%r1), 1
	lg	%r1, 0x200
	lpswe	0x120

/* What happened goes to `trap`; on at trap.resume, if somebody expected it */
	.globl	program_entry
program_entry:
	stg	%r1, 0x208
	stg	%r2, 0x210
	larl	%r1, trap
	llgh	%r2, 0x8e
	stg	%r2, 0(%r1)
	lg	%r2, 0xa8
	stg	%r2, 8(%r1)
	lg	%r2, 0x158
	stg	%r2, 16(%r1)
	lg	%r2, 24(%r1)
	ltgr	%r2, %r2
	jz	unexpected
	stg	%r2, 0x158
	larl	%r2, supervisor_mask
	lg	%r2, 0(%r2)
	stg	%r2, 0x150
	lg	%r2, 0x210
	lg	%r1, 0x208
	lpswe	0x150
unexpected:
	larl	%r15, stacks + STACK - 160
	brasl	%r14, unexpected_trap
	j	stop_cpu

	.section .data
	.balign	16
initial_psw:
	.quad	0x0000000180000000, started
stopped_psw:
	.quad	0x0002000180000000, 0
	.globl	supervisor_mask
supervisor_mask:
	.quad	0x0000000180000000
	.globl	trap
trap:
	.quad	0, 0, 0, 0
	.globl	bells
bells:
	.quad	0

	.section .bss
	.balign	16
stacks:
	.skip	2 * STACK

	.section .note.GNU-stack, "", @progbits

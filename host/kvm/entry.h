/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the ftrace sites of KVM's functions call (direct calls). On entry the
 * stack has the return address into the function, and under it the function's
 * caller's; arguments are in their registers.
 *
 * Aligned: to 7.2 (DYNAMIC_FTRACE_WITH_JMP) bit 0 of the address says that the site is to
 * jump there, with no return address on the stack.
 */
#ifndef _PAGEHINT_KVM_ENTRY_H
#define _PAGEHINT_KVM_ENTRY_H

#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/ibt.h>

/*
 * A function with one argument: if @asks says so, @takes runs in its place,
 * with its caller's return address; else the function goes on.
 */
#define PAGEHINT_TAKING_ENTRY(entry, asks, takes)			\
	void entry##_take(void);					\
	void entry(void);						\
	asm(".pushsection .text\n"					\
	    ".balign 16\n"						\
	    ".type " #entry ", @function\n"				\
	    #entry ":\n"						\
	    "	" ASM_ENDBR						\
	    "	pushq %rdi\n"						\
	    "	call " #asks "\n"					\
	    "	popq %rdi\n"						\
	    "	testb %al, %al\n"					\
	    "	jnz " #entry "_take\n"					\
	    "	" ASM_RET						\
	    ".size " #entry ", . - " #entry "\n"			\
	    ".type " #entry "_take, @function\n"			\
	    #entry "_take:\n"						\
	    "	addq $8, %rsp\n"					\
	    "	jmp " #takes "\n"					\
	    ".size " #entry "_take, . - " #entry "_take\n"		\
	    ".popsection\n");						\
	STACK_FRAME_NON_STANDARD(entry##_take)

/* A function with two arguments at most: @looks runs, and then it goes on. */
#define PAGEHINT_LOOKING_ENTRY(entry, looks)				\
	void entry(void);						\
	asm(".pushsection .text\n"					\
	    ".balign 16\n"						\
	    ".type " #entry ", @function\n"				\
	    #entry ":\n"						\
	    "	" ASM_ENDBR						\
	    "	pushq %rdi\n"						\
	    "	pushq %rsi\n"						\
	    "	call " #looks "\n"					\
	    "	popq %rsi\n"						\
	    "	popq %rdi\n"						\
	    "	" ASM_RET						\
	    ".size " #entry ", . - " #entry "\n"			\
	    ".popsection\n")

#endif /* _PAGEHINT_KVM_ENTRY_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the ftrace sites of KVM's functions call (direct calls). On entry the
 * stack has the return address into the function, and under it the function's
 * caller's; arguments are in their registers.
 */
#ifndef _PAGEHINT_KVM_ENTRY_H
#define _PAGEHINT_KVM_ENTRY_H

#include <linux/linkage.h>

#include <compat/ftrace.h>

/*
 * A function with one argument: if @asks says so, @takes runs in its place,
 * with its caller's return address; else the function goes on.
 */
#define PAGEHINT_TAKING_ENTRY(entry, asks, takes)			\
	PAGEHINT_DIRECT_ENTRY(entry##_take, takes);			\
	void entry(void);						\
	asm(PAGEHINT_ASM_BEGIN(entry)					\
	    "	pushq %rdi\n"						\
	    "	call " #asks "\n"					\
	    "	popq %rdi\n"						\
	    "	testb %al, %al\n"					\
	    "	jnz " #entry "_take\n"					\
	    "	" ASM_RET						\
	    PAGEHINT_ASM_END(entry))

/* A function with two arguments at most: @looks runs, and then it goes on. */
#define PAGEHINT_LOOKING_ENTRY(entry, looks)				\
	void entry(void);						\
	asm(PAGEHINT_ASM_BEGIN(entry)					\
	    "	pushq %rdi\n"						\
	    "	pushq %rsi\n"						\
	    "	call " #looks "\n"					\
	    "	popq %rsi\n"						\
	    "	popq %rdi\n"						\
	    "	" ASM_RET						\
	    PAGEHINT_ASM_END(entry))

#endif /* _PAGEHINT_KVM_ENTRY_H */

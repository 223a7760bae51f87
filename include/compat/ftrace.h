/* SPDX-License-Identifier: GPL-2.0 */
/* ftrace: arguments in a callback, direct calls, what lies behind a site. */
#ifndef _PAGEHINT_COMPAT_FTRACE_H
#define _PAGEHINT_COMPAT_FTRACE_H

#include <linux/ftrace.h>
#include <linux/objtool.h>
#include <linux/version.h>
#include <asm/linkage.h>

#ifdef CONFIG_X86_64
#include <asm/ibt.h>
#endif

/* 6.2 (94d095ffa0e1) put an accessor in the place of the bare registers. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define pagehint_ftrace_argument(fregs, n)	ftrace_regs_get_argument(fregs, n)
#elif defined(CONFIG_S390)
/* What the other one calls there is not exported. Of the first five. */
#define pagehint_ftrace_argument(fregs, n)	((fregs)->regs.gprs[2 + (n)])
#else
#define pagehint_ftrace_argument(fregs, n) \
	regs_get_kernel_argument(&(fregs)->regs, n)
#endif

/*
 * Where the original function goes on behind its ftrace site: the site is one
 * instruction of MCOUNT_INSN_SIZE bytes on x86 and s390.
 */
#define pagehint_behind_site(site)	((site) + MCOUNT_INSN_SIZE)

/*
 * 6.5 (da8bdfbd4223) joined a direct call to an ftrace_ops of the user's, which is not
 * permanent: kernel.ftrace_enabled=0 takes it off without a word, and was refused before.
 * So something else has to hold it at 1 (probes/anchor.c; hook.c of host/kvm).
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define PAGEHINT_DIRECT_IS_PERMANENT	0
#else
#define PAGEHINT_DIRECT_IS_PERMANENT	1
#endif

/*
 * A direct call: the site calls @address itself, with no callback in between.
 * One user has it; another one, a BPF trampoline or a livepatch, gets -EBUSY.
 * To 7.2 an odd @address is one to jump to, with no return address on the stack: entries
 * are aligned.
 */
static inline int pagehint_direct_register(struct ftrace_ops *ops,
					   unsigned long site, unsigned long address)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	int err = ftrace_set_filter_ip(ops, site, 0, 0);

	if (!err)
		err = register_ftrace_direct(ops, address);
	if (err)
		ftrace_free_filter(ops);
	return err;
#else
	return register_ftrace_direct(site, address);
#endif
}

static inline int pagehint_direct_unregister(struct ftrace_ops *ops,
					     unsigned long site, unsigned long address)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	return unregister_ftrace_direct(ops, address, true);
#else
	return unregister_ftrace_direct(site, address);
#endif
}

/* Around a function in assembly that a direct call goes to. Aligned: see above. */
#ifdef CONFIG_X86_64
#define PAGEHINT_LANDING	ASM_ENDBR
#else
#define PAGEHINT_LANDING	""
#endif
#define PAGEHINT_ASM_BEGIN(entry)					\
	    ".pushsection .text\n"					\
	    ".balign 16\n"						\
	    ".type " #entry ", @function\n"				\
	    #entry ":\n"						\
	    "	" PAGEHINT_LANDING "\n"
#define PAGEHINT_ASM_END(entry)						\
	    ".size " #entry ", . - " #entry "\n"			\
	    ".popsection\n"

/*
 * What a direct call has to go to for @function to run in the place of the
 * function that the site is in: the return address into that one comes off the
 * stack, its caller's is under it.
 */
#ifdef CONFIG_X86_64
#define PAGEHINT_DIRECT_ENTRY(entry, function)				\
	void entry(void);						\
	asm(PAGEHINT_ASM_BEGIN(entry)					\
	    "	addq $8, %rsp\n"					\
	    "	jmp " #function "\n"					\
	    PAGEHINT_ASM_END(entry));					\
	STACK_FRAME_NON_STANDARD(entry)
#elif defined(CONFIG_S390)
/* There a site does not call, it goes to @entry with its caller's return address. */
#define PAGEHINT_DIRECT_ENTRY(entry, function)				\
	void entry(void);						\
	asm(".set " #entry ", " #function "\n")
#endif

/*
 * A direct call that says that its function was called, in @flag, an int, and lets it go
 * on. Written to only if it is not set: all CPUs read it.
 */
#ifdef CONFIG_X86_64
#define PAGEHINT_DIRECT_FLAG_STUB(entry, flag)				\
	void entry(void);						\
	asm(PAGEHINT_ASM_BEGIN(entry)					\
	    "	cmpl $0, " #flag "(%rip)\n"				\
	    "	jne 1f\n"						\
	    "	movl $1, " #flag "(%rip)\n"				\
	    "1:	" ASM_RET						\
	    PAGEHINT_ASM_END(entry))
#elif defined(CONFIG_S390)
/* %r0 is where the function goes on, %r1 is free. */
#define PAGEHINT_DIRECT_FLAG_STUB(entry, flag)				\
	void entry(void);						\
	asm(PAGEHINT_ASM_BEGIN(entry)					\
	    "	larl	%r1, " #flag "\n"				\
	    "	chsi	0(%r1), 0\n"					\
	    "	jne	1f\n"						\
	    "	mvhi	0(%r1), 1\n"					\
	    "1:	lgr	%r1, %r0\n"					\
	    "	br	%r1\n"						\
	    PAGEHINT_ASM_END(entry))
#endif

#endif /* _PAGEHINT_COMPAT_FTRACE_H */

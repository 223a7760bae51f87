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
#ifdef CONFIG_S390
#include <asm/stacktrace.h>
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

/*
 * What a direct call has to go to for @function to run in the place of the
 * function that the site is in: the return address into that one comes off the
 * stack, its caller's is under it.
 */
#ifdef CONFIG_X86_64
#define PAGEHINT_DIRECT_ENTRY(entry, function)				\
	void entry(void);						\
	asm(".pushsection .text\n"					\
	    ".balign 16\n"						\
	    ".type " #entry ", @function\n"				\
	    #entry ":\n"						\
	    "	" ASM_ENDBR						\
	    "	addq $8, %rsp\n"					\
	    "	jmp " #function "\n"					\
	    ".size " #entry ", . - " #entry "\n"			\
	    ".popsection\n");						\
	STACK_FRAME_NON_STANDARD(entry)
#elif defined(CONFIG_S390)
/* There a site does not call, it goes to @entry with its caller's return address. */
#define PAGEHINT_DIRECT_ENTRY(entry, function)				\
	void entry(void);						\
	asm(".set " #entry ", " #function "\n")
#endif

/**
 * struct pagehint_screen - bits of frames, for code that is no C
 * @pages: where the array of all struct page would begin
 * @nr: frames below this have a bit
 * @bits: one for each
 * @never: flags of a page that make its bit useless
 */
struct pagehint_screen {
	unsigned long pages;
	unsigned long nr;
	unsigned long *bits;
	unsigned long never;
};

/*
 * A direct call that only looks at a page whose mapping goes, and lets the
 * function go on: at page_remove_rmap(page, ...). Anonymous pages (bit 0 of the
 * mapping) and pages that several others map are not worth a call. Nor, on x86, is one
 * whose bit is set in @screen, a struct pagehint_screen, or never will be.
 */
#ifdef CONFIG_X86_64
#define PAGEHINT_PAGE_MAPPING	"24"
#define PAGEHINT_PAGE_MAPCOUNT	"48"
#define PAGEHINT_DIRECT_UNMAP_STUB(entry, function, screen)		\
	static_assert(offsetof(struct page, mapping) == 24);		\
	static_assert(offsetof(struct page, _mapcount) == 48);		\
	static_assert(sizeof(struct page) == 64);			\
	static_assert(IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP));		\
	static_assert(offsetof(struct pagehint_screen, nr) == 8);	\
	static_assert(offsetof(struct pagehint_screen, bits) == 16);	\
	static_assert(offsetof(struct pagehint_screen, never) == 24);	\
	static_assert(offsetof(struct page, flags) == 0);		\
	void entry(void);						\
	asm(".pushsection .text\n"					\
	    ".balign 16\n"						\
	    ".type " #entry ", @function\n"				\
	    #entry ":\n"						\
	    "	" ASM_ENDBR						\
	    "	testb $1, " PAGEHINT_PAGE_MAPPING "(%rdi)\n"		\
	    "	jnz 1f\n"						\
	    "	cmpl $1, " PAGEHINT_PAGE_MAPCOUNT "(%rdi)\n"		\
	    "	jg 1f\n"						\
	    "	movq " #screen "+24(%rip), %rax\n"			\
	    "	testq %rax, (%rdi)\n"					\
	    "	jnz 1f\n"						\
	    "	movq %rdi, %rax\n"					\
	    "	subq " #screen "(%rip), %rax\n"			\
	    "	sarq $6, %rax\n"					\
	    "	cmpq " #screen "+8(%rip), %rax\n"			\
	    "	jae 1f\n"						\
	    "	movq " #screen "+16(%rip), %r10\n"			\
	    "	movq %rax, %r11\n"					\
	    "	shrq $6, %r11\n"					\
	    "	movq (%r10,%r11,8), %r11\n"				\
	    "	btq %rax, %r11\n"					\
	    "	jc 1f\n"						\
	    "	push %rdi\n"						\
	    "	push %rsi\n"						\
	    "	push %rdx\n"						\
	    "	push %rcx\n"						\
	    "	push %r8\n"						\
	    "	push %r9\n"						\
	    "	call " #function "\n"					\
	    "	pop %r9\n"						\
	    "	pop %r8\n"						\
	    "	pop %rcx\n"						\
	    "	pop %rdx\n"						\
	    "	pop %rsi\n"						\
	    "	pop %rdi\n"						\
	    "1:	" ASM_RET						\
	    ".size " #entry ", . - " #entry "\n"			\
	    ".popsection\n")
#elif defined(CONFIG_S390)
/*
 * %r0 is where the function goes on, %r1 is free. As ftrace_caller does it, the return
 * address is kept where the function itself will keep it, in its caller's frame, so that
 * stacks can be read.
 */
#define PAGEHINT_DIRECT_UNMAP_STUB(entry, function, screen)		\
	static_assert(offsetof(struct page, mapping) == 24);		\
	static_assert(offsetof(struct page, _mapcount) == 48);		\
	static_assert(offsetof(struct stack_frame, gprs[8]) == 136);	\
	static_assert(offsetof(struct stack_frame, back_chain) == 152);	\
	static_assert(sizeof(struct stack_frame) == 160);		\
	void entry(void);						\
	asm(".pushsection .text\n"					\
	    ".balign 16\n"						\
	    ".type " #entry ", @function\n"				\
	    #entry ":\n"						\
	    "	tm	31(%r2), 1\n"	/* lowest byte of mapping */	\
	    "	jnz	1f\n"						\
	    "	l	%r1, 48(%r2)\n"				\
	    "	chi	%r1, 1\n"					\
	    "	jh	1f\n"						\
	    "	stg	%r14, 136(%r15)\n"				\
	    "	lgr	%r1, %r15\n"					\
	    "	aghi	%r15, -208\n"					\
	    "	stg	%r1, 152(%r15)\n"				\
	    "	stmg	%r2, %r6, 160(%r15)\n"				\
	    "	stg	%r0, 200(%r15)\n"				\
	    "	brasl	%r14, " #function "\n"				\
	    "	lmg	%r2, %r6, 160(%r15)\n"				\
	    "	lg	%r0, 200(%r15)\n"				\
	    "	aghi	%r15, 208\n"					\
	    "	lg	%r14, 136(%r15)\n"				\
	    "1:	lgr	%r1, %r0\n"					\
	    "	br	%r1\n"						\
	    ".size " #entry ", . - " #entry "\n"			\
	    ".popsection\n")
#endif

#endif /* _PAGEHINT_COMPAT_FTRACE_H */

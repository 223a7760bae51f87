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
 * A direct call: the site calls @address itself, with no callback in between.
 * One user has it; another one, a BPF trampoline or a livepatch, gets -EBUSY.
 * 6.5 (da8bdfbd4223) joined it to an ftrace_ops of the user's, which
 * is not permanent: kernel.ftrace_enabled=0 takes it off, and was refused before (hook.c of
 * host/kvm holds it at 1). To 7.2 an odd @address is one to jump to, with no return address
 * on the stack: entries are aligned.
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
#endif

/*
 * A direct call that only looks at a page whose mapping goes, and lets the
 * function go on: at page_remove_rmap(page, ...). Anonymous pages (bit 0 of the
 * mapping) and pages that several others map are not worth a call.
 */
#ifdef CONFIG_X86_64
#define PAGEHINT_PAGE_MAPPING	"24"
#define PAGEHINT_PAGE_MAPCOUNT	"48"
#define PAGEHINT_DIRECT_UNMAP_STUB(entry, function)			\
	static_assert(offsetof(struct page, mapping) == 24);		\
	static_assert(offsetof(struct page, _mapcount) == 48);		\
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
#endif

#endif /* _PAGEHINT_COMPAT_FTRACE_H */

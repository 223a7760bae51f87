/* SPDX-License-Identifier: GPL-2.0 */
/* Registers in an ftrace callback, and what lies behind an ftrace site. */
#ifndef _PAGEHINT_COMPAT_FTRACE_H
#define _PAGEHINT_COMPAT_FTRACE_H

#include <linux/ftrace.h>
#include <linux/version.h>

/* 6.2 (94d095ffa0e1) put accessors in the place of the bare registers. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define pagehint_ftrace_set_ip(fregs, ip) \
	ftrace_regs_set_instruction_pointer(fregs, ip)
#define pagehint_ftrace_argument(fregs, n)	ftrace_regs_get_argument(fregs, n)
#else
#define pagehint_ftrace_set_ip(fregs, ip)	ftrace_instruction_pointer_set(fregs, ip)
#define pagehint_ftrace_argument(fregs, n) \
	regs_get_kernel_argument(&(fregs)->regs, n)
#endif

/*
 * Where the original function goes on behind its ftrace site: the site is one
 * instruction of MCOUNT_INSN_SIZE bytes on x86 and s390.
 */
#define pagehint_behind_site(site)	((site) + MCOUNT_INSN_SIZE)

#endif /* _PAGEHINT_COMPAT_FTRACE_H */

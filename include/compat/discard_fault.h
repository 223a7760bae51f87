/* SPDX-License-Identifier: GPL-2.0 */
/*
 * s390: program interruption 0x1a, and what of the interrupted context says how
 * to go on after it (arch/s390/kernel/traps.c, arch/s390/mm/fault.c).
 */
#ifndef _PAGEHINT_COMPAT_DISCARD_FAULT_H
#define _PAGEHINT_COMPAT_DISCARD_FAULT_H

#include <linux/irqflags.h>
#include <linux/mm_types.h>
#include <linux/pfn.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/thread_info.h>
#include <linux/uaccess.h>

/* Static; the kernel's table of program checks has it for 0x1a and all it does not know. */
#define PAGEHINT_TRAP_TARGET	"default_trap_handler"
#define PAGEHINT_FIXUP_TARGET	"fixup_exception"

#define PAGEHINT_PGM_CODE	0x7f	/* without "in a transaction" and "while tracing" */
#define PAGEHINT_PGM_DISCARD	0x1a

static inline bool pagehint_is_discard_fault(const struct pt_regs *regs)
{
	return (regs->int_code & PAGEHINT_PGM_CODE) == PAGEHINT_PGM_DISCARD;
}

/* The absolute address, from 0xa8 of the lowcore. */
static inline unsigned long pagehint_discard_fault_pfn(const struct pt_regs *regs)
{
	return PFN_DOWN(regs->int_parm_long);
}

/*
 * MVCOS is how the kernel reads and writes user memory. Other instructions with an
 * entry in the exception table are for those who must not wait.
 */
static inline bool pagehint_is_user_copy(const struct pt_regs *regs)
{
	const u16 *instruction = (const u16 *)regs->psw.addr;

	return (*instruction & 0xff0f) == 0xc800;
}

/*
 * Kernel mode: would a page fault be allowed to sleep here? As do_exception() decides
 * it. Of the kernel's own addresses nothing says so but the instruction: who copies to
 * or from user memory with page faults enabled may sleep, whichever side it was that
 * failed. There is no count of spinlocks to look at (CONFIG_PREEMPT_COUNT is off).
 */
static inline bool pagehint_fault_may_sleep(const struct pt_regs *regs)
{
	return !irqs_disabled() && !faulthandler_disabled() && current->mm &&
	       pagehint_is_user_copy(regs);
}

/* User mode: the instruction did not happen, so it is not one to stop after. */
static inline void pagehint_fault_nullified(void)
{
	clear_thread_flag(TIF_PER_TRAP);
}

#endif /* _PAGEHINT_COMPAT_DISCARD_FAULT_H */

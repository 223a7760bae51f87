/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The instruction ESSA of s390, a function for each of its operations.
 *
 * It has no facility bit: where the hypervisor does not give it to the guest it is an
 * illegal operation, and a frame that is not there is an addressing exception. Neither
 * is ever to kill the guest, so each use has an entry in the exception table. These
 * exceptions leave the PSW behind the instruction, so there is one for what follows it,
 * too; that is a nop, lest a fault of something else be taken for ours.
 */
#ifndef _PAGEHINT_COMPAT_ESSA_H
#define _PAGEHINT_COMPAT_ESSA_H

#include <linux/gfp.h>
#include <linux/pfn.h>
#include <linux/string.h>
#include <asm/asm-extable.h>
#include <asm/setup.h>
#include <asm/sysinfo.h>

#include <pagehint/essa.h>

static __always_inline unsigned int pagehint_essa(unsigned long pfn,
						  const unsigned int operation)
{
	unsigned long result = ~0UL;

	asm volatile("0:	.insn	rrf,0xb9ab0000,%[result],%[address],%[operation],0\n"
		     "1:	nopr	0\n"
		     "2:\n"
		     EX_TABLE(0b, 2b)
		     EX_TABLE(1b, 2b)
		     : [result] "+&d" (result)
		     : [address] "d" (PFN_PHYS(pfn)), [operation] "i" (operation)
		     : "memory");
	return result == ~0UL ? PAGEHINT_ESSA_FAULT : result & PAGEHINT_ESSA_RESULT;
}

static __always_inline unsigned int pagehint_essa_get(unsigned long pfn)
{
	return pagehint_essa(pfn, PAGEHINT_ESSA_GET);
}

static __always_inline unsigned int pagehint_essa_set_stable(unsigned long pfn)
{
	return pagehint_essa(pfn, PAGEHINT_ESSA_SET_STABLE);
}

static __always_inline unsigned int pagehint_essa_set_unused(unsigned long pfn)
{
	return pagehint_essa(pfn, PAGEHINT_ESSA_SET_UNUSED);
}

static __always_inline unsigned int pagehint_essa_set_volatile(unsigned long pfn)
{
	return pagehint_essa(pfn, PAGEHINT_ESSA_SET_VOLATILE);
}

static __always_inline unsigned int pagehint_essa_set_potential(unsigned long pfn)
{
	return pagehint_essa(pfn, PAGEHINT_ESSA_SET_POTENTIAL);
}

static __always_inline unsigned int pagehint_essa_set_stable_resident(unsigned long pfn)
{
	return pagehint_essa(pfn, PAGEHINT_ESSA_SET_STABLE_RESIDENT);
}

static __always_inline unsigned int pagehint_essa_set_stable_if(unsigned long pfn)
{
	return pagehint_essa(pfn, PAGEHINT_ESSA_SET_STABLE_IF);
}

/*
 * Of the hypervisors that give ESSA to their guests, KVM lets a guest that uses a volatile
 * frame without content find zeros; the architecture's interruption is z/VM's, and that of
 * QEMU's emulation with our device (docs/qemu-essa.md), which calls itself KVM, too, but
 * its machine's manufacturer QEMU. What cannot be told counts as KVM.
 */
static inline bool pagehint_essa_interrupts(void)
{
	static const char qemu[] = { 0xd8, 0xc5, 0xd4, 0xe4 };	/* EBCDIC */
	struct sysinfo_1_1_1 *machine;
	bool is;

	if (MACHINE_IS_VM)
		return true;
	machine = (struct sysinfo_1_1_1 *)get_zeroed_page(GFP_KERNEL);
	is = machine && !stsi(machine, 1, 1, 1) &&
	     !memcmp(machine->manufacturer, qemu, sizeof(qemu));
	free_page((unsigned long)machine);
	return is;
}

#endif /* _PAGEHINT_COMPAT_ESSA_H */

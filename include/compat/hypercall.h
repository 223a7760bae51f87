/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls to KVM. kvm_hypercall4() is VMCALL or VMMCALL, as the kernel's
 * alternatives say: on Intel's processors VMMCALL is an invalid instruction.
 */
#ifndef _PAGEHINT_COMPAT_HYPERCALL_H
#define _PAGEHINT_COMPAT_HYPERCALL_H

#include <uapi/pagehint.h>

#if defined(CONFIG_X86_64) && defined(CONFIG_KVM_GUEST)

#include <linux/kvm_para.h>

/* What CPUID says. Elsewhere the instruction itself may be a fault. */
static inline bool pagehint_on_kvm(void)
{
	return kvm_para_available();
}

static inline long pagehint_hypercall(unsigned int operation, unsigned long gpa,
				      unsigned long count, unsigned long cookie)
{
	return kvm_hypercall4(PAGEHINT_HYPERCALL, operation, gpa, count, cookie);
}

#else

static inline bool pagehint_on_kvm(void)
{
	return false;
}

static inline long pagehint_hypercall(unsigned int operation, unsigned long gpa,
				      unsigned long count, unsigned long cookie)
{
	return -PAGEHINT_HC_ENOSYS;
}

#endif

#endif /* _PAGEHINT_COMPAT_HYPERCALL_H */

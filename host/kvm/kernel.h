/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The hosts that this module has been proved on. A version that nobody looked at
 * does not build: what KVM and madvise promise each other is read in the source,
 * not in a header.
 */
#ifndef _PAGEHINT_KVM_KERNEL_H
#define _PAGEHINT_KVM_KERNEL_H

#include <linux/version.h>

#define PAGEHINT_HOST_IS(major, minor) \
	(LINUX_VERSION_CODE >> 8 == ((major) << 8) + (minor))

/*
 * PAGEHINT_UNPROVED, for tests alone: on 6.12 and 7.2 guests often die in the test storm, and
 * it is not known why (docs/status.md).
 */
#if !PAGEHINT_HOST_IS(6, 1) && \
	!(defined(PAGEHINT_UNPROVED) && (PAGEHINT_HOST_IS(6, 12) || PAGEHINT_HOST_IS(7, 2)))
#error "pagehint_kvm: this kernel is not supported (docs/kvm-host-versions.md)"
#endif

#ifndef CONFIG_X86_64
#error "pagehint_kvm needs CONFIG_X86_64"
#endif
#ifndef CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS
#error "pagehint_kvm needs CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"
#endif
#ifndef CONFIG_KPROBES
#error "pagehint_kvm needs CONFIG_KPROBES (for symbol lookup)"
#endif
#ifndef CONFIG_MMU_NOTIFIER
#error "pagehint_kvm needs CONFIG_MMU_NOTIFIER"
#endif

#endif /* _PAGEHINT_KVM_KERNEL_H */

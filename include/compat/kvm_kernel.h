/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernels of KVM hosts that host/kvm has been proved on. A version that nobody looked at
 * does not build: what KVM and madvise promise each other is read in the source,
 * not in a header.
 */
#ifndef _PAGEHINT_COMPAT_KVM_KERNEL_H
#define _PAGEHINT_COMPAT_KVM_KERNEL_H

#include <linux/version.h>

#define PAGEHINT_HOST_IS(major, minor) \
	(LINUX_VERSION_CODE >> 8 == ((major) << 8) + (minor))

#if !PAGEHINT_HOST_IS(6, 1) && !PAGEHINT_HOST_IS(6, 12) && !PAGEHINT_HOST_IS(7, 2)
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

#endif /* _PAGEHINT_COMPAT_KVM_KERNEL_H */

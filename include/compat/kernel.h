/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernels that this module has been proved on. A rule of the allocator
 * that changed between two versions is a way to lose data, so a version that
 * nobody looked at does not build.
 */
#ifndef _PAGEHINT_COMPAT_KERNEL_H
#define _PAGEHINT_COMPAT_KERNEL_H

#include <linux/version.h>

#define PAGEHINT_KERNEL_IS(major, minor) \
	(LINUX_VERSION_CODE >> 8 == ((major) << 8) + (minor))

#if !PAGEHINT_KERNEL_IS(6, 1) && !PAGEHINT_KERNEL_IS(6, 12)
#error "pagehint: this kernel is not supported; supported are 6.1 and 6.12 (docs/status.md)"
#endif

#if PAGEHINT_KERNEL_IS(6, 12) && defined(CONFIG_S390)
#error "pagehint: Linux 6.12 is not supported on s390x; 6.1 is (docs/status.md)"
#endif

#ifndef CONFIG_TRACEPOINTS
#error "pagehint needs CONFIG_TRACEPOINTS"
#endif
#ifndef CONFIG_DYNAMIC_FTRACE
#error "pagehint needs CONFIG_DYNAMIC_FTRACE"
#endif
#ifndef CONFIG_DYNAMIC_FTRACE_WITH_ARGS
#error "pagehint needs CONFIG_DYNAMIC_FTRACE_WITH_ARGS"
#endif
#ifndef CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS
#error "pagehint needs CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"
#endif
#ifndef CONFIG_KPROBES
#error "pagehint needs CONFIG_KPROBES (for symbol lookup)"
#endif

#endif /* _PAGEHINT_COMPAT_KERNEL_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Compare-and-swap that is atomic against the host.
 *
 * On x86 the kernel patches the LOCK prefix out of cmpxchg() when it runs on
 * one CPU; sync_cmpxchg() keeps it. Only x86, arm and arm64 define sync_*;
 * elsewhere (s390) cmpxchg() is a real compare-and-swap on every machine.
 */
#ifndef _PAGEHINT_COMPAT_ATOMIC_H
#define _PAGEHINT_COMPAT_ATOMIC_H

#include <linux/atomic.h>

#ifdef CONFIG_X86
#define pagehint_cmpxchg(ptr, old, new)	sync_cmpxchg(ptr, old, new)
#else
#define pagehint_cmpxchg(ptr, old, new)	cmpxchg(ptr, old, new)
#endif

#endif /* _PAGEHINT_COMPAT_ATOMIC_H */

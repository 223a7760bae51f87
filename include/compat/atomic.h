/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Exchange; and compare-and-swap that is atomic against the host.
 *
 * On x86 the kernel patches the LOCK prefix out of cmpxchg() when it runs on
 * one CPU; sync_cmpxchg() keeps it. Only x86, arm and arm64 define sync_*;
 * elsewhere (s390) cmpxchg() is a real compare-and-swap on every machine.
 */
#ifndef _PAGEHINT_COMPAT_ATOMIC_H
#define _PAGEHINT_COMPAT_ATOMIC_H

#include <linux/atomic.h>

#ifdef CONFIG_X86
#define pagehint_sync_cmpxchg(ptr, old, new)	sync_cmpxchg(ptr, old, new)
#else
#define pagehint_sync_cmpxchg(ptr, old, new)	cmpxchg(ptr, old, new)
#endif

/*
 * Of one byte, s390's return the bytes before it too, above the eight bits that were asked
 * for (6.1: arch/s390/include/asm/cmpxchg.h). A conversion to u8 takes them off; one to
 * bool makes true of them. So never of a bool: tests/check/tree has no other exchanges.
 */
#define pagehint_no_bool(ptr) \
	static_assert(!__same_type(*(ptr), bool), "exchange of a bool: take an int")

#define pagehint_cmpxchg(ptr, old, new)					\
({									\
	pagehint_no_bool(ptr);						\
	pagehint_sync_cmpxchg(ptr, old, new);				\
})

#define pagehint_xchg(ptr, new)						\
({									\
	pagehint_no_bool(ptr);						\
	xchg(ptr, new);							\
})

#endif /* _PAGEHINT_COMPAT_ATOMIC_H */

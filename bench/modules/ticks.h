/* SPDX-License-Identifier: GPL-2.0 */
/* A clock that counts a tick for each instruction of the guest under -icount shift=0. */
#ifndef _TICKS_H
#define _TICKS_H

#ifdef CONFIG_S390

#include <asm/timex.h>

static inline u64 ticks(void)
{
	return tod_to_ns(get_tod_clock());
}

#else

#include <asm/msr.h>

static inline u64 ticks(void)
{
	return rdtsc_ordered();
}

#endif

#endif /* _TICKS_H */

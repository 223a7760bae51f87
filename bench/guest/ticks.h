/* SPDX-License-Identifier: GPL-2.0 */
/* A clock that counts a tick for each instruction of the guest under -icount shift=0. */
#ifndef _TICKS_H
#define _TICKS_H

#include <stdint.h>

#ifdef TICKS_OF_TOD

/* The TOD clock of s390x: 4096 units are a microsecond. */
static inline uint64_t ticks(void)
{
	uint64_t tod;

	__asm__ volatile("stckf %0" : "=Q" (tod) : : "cc");
	return (tod >> 9) * 125 + ((tod & 0x1ff) * 125 >> 9);
}

#else

#include <x86intrin.h>

static inline uint64_t ticks(void)
{
	return __rdtsc();
}

#endif

#endif /* _TICKS_H */

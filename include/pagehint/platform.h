/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What module/page_state.c and module/checks.c need from their surroundings,
 * so that the same files build in the kernel and in user space for the tests.
 */
#ifndef _PAGEHINT_PLATFORM_H
#define _PAGEHINT_PLATFORM_H

#ifdef __KERNEL__

#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/barrier.h>
#include <asm/processor.h>
#include <compat/atomic.h>

#else /* user space */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#ifndef __always_inline
#define __always_inline		inline __attribute__((always_inline))
#endif
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define cpu_relax()		__builtin_ia32_pause()
#define pagehint_cmpxchg(ptr, old, new)					\
({									\
	__typeof__(*(ptr)) __old = (old);				\
									\
	__atomic_compare_exchange_n(ptr, &__old, new, 0,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);\
	__old;								\
})

#endif

/**
 * pagehint_wait_not_busy - spin until the host is done with a frame
 * @byte: the frame's state byte, seen with BUSY set
 *
 * The host keeps this short: it does nothing between BUSY and ABSENT but drop
 * the content. Counts the wait and its length.
 *
 * Context: any; spins, never sleeps.
 * Return: the byte without BUSY.
 */
u8 pagehint_wait_not_busy(u8 *byte);
void pagehint_wait_folio_not_busy(u8 *first, unsigned long nr_frames);

#endif /* _PAGEHINT_PLATFORM_H */

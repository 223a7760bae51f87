/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before page_state.c where it is built for TSan, which keeps the
 * order of atomic accesses by exact address: a release of eight bytes does not
 * meet an acquire of the third of them. The hardware does know that, so an
 * access of eight bytes is announced here for each of its bytes. Only what the
 * access itself guarantees is announced: nothing is hidden.
 */
#ifndef _WORD_ORDER_H
#define _WORD_ORDER_H

#include <pagehint/platform.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

static inline void word_order_acquire(char *first, size_t bytes)
{
	for (; bytes > 1; bytes--)
		__tsan_acquire(first + bytes - 1);
}

static inline void word_order_release(char *first, size_t bytes)
{
	for (; bytes > 1; bytes--)
		__tsan_release(first + bytes - 1);
}

#undef smp_store_release
#define smp_store_release(p, v) /* as in platform.h */			\
do {									\
	__typeof__(p) __p = (p);					\
									\
	word_order_release((char *)__p, sizeof(*__p));			\
	__atomic_store_n(__p, v, __ATOMIC_RELEASE);			\
} while (0)

#undef pagehint_cmpxchg
#define pagehint_cmpxchg(ptr, old, new)					\
({									\
	__typeof__(ptr) __ptr = (ptr);					\
	__typeof__(*__ptr) __old = (old);				\
									\
	word_order_release((char *)__ptr, sizeof(*__ptr));		\
	__atomic_compare_exchange_n(__ptr, &__old, new, 0,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);\
	word_order_acquire((char *)__ptr, sizeof(*__ptr));		\
	__old;								\
})

#endif /* _WORD_ORDER_H */

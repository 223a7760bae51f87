/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free memory: frames become unused when the page allocator frees them and
 * stable when it hands them out. Called by probes/alloc_free.c; the part that
 * runs for every page is inline.
 */
#ifndef _PAGEHINT_UNUSED_H
#define _PAGEHINT_UNUSED_H

#include <pagehint/at_once.h>
#include <pagehint/page_state.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>

/*
 * The inline paths serve frames below this: all that the table covers, but none
 * while one of the module's own tracepoints is on. Read without READ_ONCE, which
 * would cost a load: either way makes the same moves, so an old value is as good.
 */
extern unsigned long pagehint_unused_nr_fast;

int pagehint_unused_start(void);
void pagehint_unused_stop(void);
void pagehint_unused_going_offline(unsigned long pfn, unsigned long nr_pages);
void pagehint_unused_offline_done(void);
void pagehint_unused_free_slow(u8 *first, unsigned long pfn, unsigned int order);
void pagehint_unused_alloc_slow(u8 *first, unsigned long pfn, unsigned int order);

/**
 * pagehint_unused_free - a block was freed
 * @pfn: its first frame
 * @order: its size
 *
 * Context: any, with preemption off; NMI included. Never waits. The caller
 * still owns the block: it is not yet on a list where another CPU finds it.
 */
static __always_inline void pagehint_unused_free(unsigned long pfn, unsigned int order)
{
	u8 *first = pagehint_table_byte(pfn);

	if (unlikely(order || pfn >= pagehint_unused_nr_fast ||
		     !pagehint_state_free_plain(first)))
		pagehint_unused_free_slow(first, pfn, order);
	else
		pagehint_count(PAGEHINT_FREED_ONE, 1);
	pagehint_tell_freed(pfn, 1UL << order);
}

/**
 * pagehint_unused_alloc - a block was allocated
 * @pfn: its first frame
 * @order: its size
 *
 * On return the host leaves the block alone.
 *
 * Context: any, with preemption off; NMI included. May spin for as long as the
 * host drops one range. The caller owns the block and has written nothing but
 * zeros to it.
 */
static __always_inline void pagehint_unused_alloc(unsigned long pfn, unsigned int order)
{
	u8 *first = pagehint_table_byte(pfn);

	if (unlikely(order || pfn >= pagehint_unused_nr_fast ||
		     !pagehint_state_alloc_plain(first)))
		pagehint_unused_alloc_slow(first, pfn, order);
	else
		pagehint_count(PAGEHINT_ALLOC_ONE, 1);
	pagehint_tell_stable(pfn, 1UL << order);
}

#endif /* _PAGEHINT_UNUSED_H */

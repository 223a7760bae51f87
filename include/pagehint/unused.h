/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free memory: frames become unused when the page allocator frees them and
 * stable when it hands them out. Called by probes/alloc_free.c; the part that
 * runs for every page is inline.
 */
#ifndef _PAGEHINT_UNUSED_H
#define _PAGEHINT_UNUSED_H

#include <linux/tracepoint-defs.h>

#include <pagehint/page_state.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>

DECLARE_TRACEPOINT(pagehint_unused);
DECLARE_TRACEPOINT(pagehint_stable);

int pagehint_unused_start(void);
void pagehint_unused_stop(void);
void pagehint_unused_going_offline(unsigned long pfn, unsigned long nr_pages);
void pagehint_unused_offline_done(void);
void pagehint_unused_trace_free(unsigned long pfn, unsigned int order);
void pagehint_unused_trace_alloc(unsigned long pfn, unsigned int order, bool taken);
void pagehint_unused_free_block(unsigned long pfn, unsigned int order, u8 *first);
void pagehint_unused_alloc_block(unsigned long pfn, unsigned int order, u8 *first);

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
	u8 *byte = pagehint_table_byte(pfn);

	if (unlikely(tracepoint_enabled(pagehint_unused)))
		pagehint_unused_trace_free(pfn, order);
	if (unlikely(order || !byte))
		pagehint_unused_free_block(pfn, order, byte);
	else if (likely(pagehint_state_free(byte)))
		pagehint_count(PAGEHINT_FREED_ONE, 1);
	else
		pagehint_count(PAGEHINT_FREED_ONE_AGAIN, 1);
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
	u8 *byte = pagehint_table_byte(pfn);
	u8 was;

	if (unlikely(order || !byte)) {
		pagehint_unused_alloc_block(pfn, order, byte);
		return;
	}
	was = pagehint_state_alloc(byte);
	if (likely(was == PAGEHINT_UNUSED))
		pagehint_count(PAGEHINT_ALLOC_ONE, 1);
	else if ((was & PAGEHINT_USAGE_MASK) == PAGEHINT_UNUSED)
		pagehint_count(PAGEHINT_ALLOC_ONE_TAKEN, 1);
	else
		pagehint_count(PAGEHINT_ALLOC_ONE_PLAIN, 1);
	if (unlikely(tracepoint_enabled(pagehint_stable)))
		pagehint_unused_trace_alloc(pfn, order, was & PAGEHINT_ABSENT);
}

#endif /* _PAGEHINT_UNUSED_H */

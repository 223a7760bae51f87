/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's own tracepoints, for perf, bpftrace and tracefs
 * (/sys/kernel/tracing/events/pagehint).
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pagehint

#if !defined(_PAGEHINT_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _PAGEHINT_TRACE_H

#include <linux/tracepoint.h>

/* The inline paths of module/unused.c do not look whether they are traced. */
int pagehint_unused_traced(void);
void pagehint_unused_untraced(void);

/* Before a block becomes unused. */
TRACE_EVENT_FN(pagehint_unused,
	TP_PROTO(unsigned long pfn, unsigned int order),
	TP_ARGS(pfn, order),
	TP_STRUCT__entry(
		__field(unsigned long, pfn)
		__field(unsigned int, order)
	),
	TP_fast_assign(
		__entry->pfn = pfn;
		__entry->order = order;
	),
	TP_printk("pfn=%#lx order=%u", __entry->pfn, __entry->order),
	pagehint_unused_traced, pagehint_unused_untraced
);

/* After a block became stable; taken: the host had dropped some of it. */
TRACE_EVENT_FN(pagehint_stable,
	TP_PROTO(unsigned long pfn, unsigned int order, bool taken),
	TP_ARGS(pfn, order, taken),
	TP_STRUCT__entry(
		__field(unsigned long, pfn)
		__field(unsigned int, order)
		__field(bool, taken)
	),
	TP_fast_assign(
		__entry->pfn = pfn;
		__entry->order = order;
		__entry->taken = taken;
	),
	TP_printk("pfn=%#lx order=%u taken=%d", __entry->pfn, __entry->order,
		  __entry->taken),
	pagehint_unused_traced, pagehint_unused_untraced
);

/* After the guest waited for the host to finish a drop. */
TRACE_EVENT(pagehint_busy_wait,
	TP_PROTO(u64 ns),
	TP_ARGS(ns),
	TP_STRUCT__entry(
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->ns = ns;
	),
	TP_printk("ns=%llu", __entry->ns)
);

/* After a folio became volatile. */
TRACE_EVENT(pagehint_volatile,
	TP_PROTO(unsigned long pfn, unsigned long nr, u8 temperature),
	TP_ARGS(pfn, nr, temperature),
	TP_STRUCT__entry(
		__field(unsigned long, pfn)
		__field(unsigned long, nr)
		__field(u8, temperature)
	),
	TP_fast_assign(
		__entry->pfn = pfn;
		__entry->nr = nr;
		__entry->temperature = temperature;
	),
	TP_printk("pfn=%#lx nr=%lu temperature=%u", __entry->pfn, __entry->nr,
		  __entry->temperature)
);

/* After a volatile folio became stable; gone: the host had dropped some of it. */
TRACE_EVENT(pagehint_use,
	TP_PROTO(unsigned long pfn, unsigned long nr, bool gone),
	TP_ARGS(pfn, nr, gone),
	TP_STRUCT__entry(
		__field(unsigned long, pfn)
		__field(unsigned long, nr)
		__field(bool, gone)
	),
	TP_fast_assign(
		__entry->pfn = pfn;
		__entry->nr = nr;
		__entry->gone = gone;
	),
	TP_printk("pfn=%#lx nr=%lu gone=%d", __entry->pfn, __entry->nr,
		  __entry->gone)
);

DECLARE_EVENT_CLASS(pagehint_folio,
	TP_PROTO(unsigned long pfn, unsigned long nr),
	TP_ARGS(pfn, nr),
	TP_STRUCT__entry(
		__field(unsigned long, pfn)
		__field(unsigned long, nr)
	),
	TP_fast_assign(
		__entry->pfn = pfn;
		__entry->nr = nr;
	),
	TP_printk("pfn=%#lx nr=%lu", __entry->pfn, __entry->nr)
);

/* After an idle mapped folio was unmapped. */
DEFINE_EVENT(pagehint_folio, pagehint_unmap,
	TP_PROTO(unsigned long pfn, unsigned long nr),
	TP_ARGS(pfn, nr)
);

/* After an idle folio that was given up with MADV_FREE was unmapped, before it is free. */
DEFINE_EVENT(pagehint_folio, pagehint_lazyfree,
	TP_PROTO(unsigned long pfn, unsigned long nr),
	TP_ARGS(pfn, nr)
);

DECLARE_EVENT_CLASS(pagehint_frame,
	TP_PROTO(unsigned long pfn),
	TP_ARGS(pfn),
	TP_STRUCT__entry(
		__field(unsigned long, pfn)
	),
	TP_fast_assign(
		__entry->pfn = pfn;
	),
	TP_printk("pfn=%#lx", __entry->pfn)
);

/* Before a volatile folio is mapped as it is. */
DEFINE_EVENT(pagehint_frame, pagehint_stay,
	TP_PROTO(unsigned long pfn),
	TP_ARGS(pfn)
);

/* After a folio that was mapped and gone was unmapped and became stable. */
DEFINE_EVENT(pagehint_frame, pagehint_recover,
	TP_PROTO(unsigned long pfn),
	TP_ARGS(pfn)
);

/* After a folio of the swap cache that the host dropped was deleted from it. */
TRACE_EVENT(pagehint_swap_lost,
	TP_PROTO(unsigned long pfn, unsigned long slot),
	TP_ARGS(pfn, slot),
	TP_STRUCT__entry(
		__field(unsigned long, pfn)
		__field(unsigned long, slot)
	),
	TP_fast_assign(
		__entry->pfn = pfn;
		__entry->slot = slot;
	),
	TP_printk("pfn=%#lx slot=%#lx", __entry->pfn, __entry->slot)
);

/* After a run of dropped folios was taken out of the cache for readahead. */
TRACE_EVENT(pagehint_evict,
	TP_PROTO(unsigned long ino, pgoff_t first, unsigned long nr),
	TP_ARGS(ino, first, nr),
	TP_STRUCT__entry(
		__field(unsigned long, ino)
		__field(pgoff_t, first)
		__field(unsigned long, nr)
	),
	TP_fast_assign(
		__entry->ino = ino;
		__entry->first = first;
		__entry->nr = nr;
	),
	TP_printk("ino=%lu first=%lu nr=%lu", __entry->ino, __entry->first,
		  __entry->nr)
);

/* Hints are in force (on=1) or no longer (on=0). */
TRACE_EVENT(pagehint_lease,
	TP_PROTO(bool on, u64 boot_id),
	TP_ARGS(on, boot_id),
	TP_STRUCT__entry(
		__field(bool, on)
		__field(u64, boot_id)
	),
	TP_fast_assign(
		__entry->on = on;
		__entry->boot_id = boot_id;
	),
	TP_printk("on=%d boot_id=%#llx", __entry->on, __entry->boot_id)
);

#endif /* _PAGEHINT_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names and types of the hooked functions, by kernel (mm/page_alloc.c,
 * mm/compaction.c).
 *
 * 6.10 gave the allocator's functions the suffix _noprof; 6.12 has
 * alloc_pages_bulk_noprof where 6.1 has __alloc_pages_bulk.
 */
#ifndef _PAGEHINT_COMPAT_HOOKS_H
#define _PAGEHINT_COMPAT_HOOKS_H

#include <linux/gfp.h>
#include <linux/nodemask.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define PAGEHINT_BULK_TARGET	"alloc_pages_bulk_noprof"
#else
#define PAGEHINT_BULK_TARGET	"__alloc_pages_bulk"
#endif

/*
 * From 6.9 on compaction_free() runs what frees pages, mm_page_free included, and keeps
 * the page for the next compaction_alloc(): static in mm/compaction.c, called by
 * migrate_pages(). Before, neither had an event, and the page stayed stable.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
#define PAGEHINT_COMPACTION_TARGET	"compaction_alloc"
#define PAGEHINT_COMPACTION_PROTO	struct folio *source, unsigned long data
#define PAGEHINT_COMPACTION_ARGS	source, data
#endif

#define PAGEHINT_BULK_PROTO	gfp_t gfp, int nid, nodemask_t *nodemask, \
				int nr_pages, struct list_head *list, \
				struct page **array
#define PAGEHINT_BULK_ARGS	gfp, nid, nodemask, nr_pages, list, array

/*
 * 7.2 runs tracepoint probes with preemption on (SRCU-fast); before, the
 * tracepoint itself disables it.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#define pagehint_probe_enter()	preempt_disable_notrace()
#define pagehint_probe_exit()	preempt_enable_notrace()
#else
#define pagehint_probe_enter()	do { } while (0)
#define pagehint_probe_exit()	do { } while (0)
#endif

#endif /* _PAGEHINT_COMPAT_HOOKS_H */

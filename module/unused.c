// SPDX-License-Identifier: GPL-2.0
/*
 * Free memory as unused frames: starting (attach, self-test, scan of what is
 * already free), the out-of-line half of the events, stopping.
 *
 * Lock order: control_mutex (main.c) > scan_mutex > zone->lock. scan_mutex is
 * apart because memory offlining takes it while it holds the hotplug locks,
 * under which control_mutex attaches hooks.
 */
#include <pagehint/log.h>

#include <linux/gfp.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pageblock-flags.h>
#include <linux/sched.h>

#include <compat/mm.h>
#include <pagehint/control.h>
#include <pagehint/hooks.h>
#include <pagehint/unused.h>

#include "trace.h"

static DEFINE_MUTEX(scan_mutex);

/* Memory that is going offline is not scanned. Under scan_mutex. */
static unsigned long offline_pfn, offline_end;

/* The tracepoint of a free fires before the change, that of an alloc after. */
void pagehint_unused_trace_free(unsigned long pfn, unsigned int order)
{
	trace_pagehint_unused(pfn, order);
}

void pagehint_unused_trace_alloc(unsigned long pfn, unsigned int order, bool taken)
{
	trace_pagehint_stable(pfn, order, taken);
}

/**
 * pagehint_unused_free_block - the less frequent half of pagehint_unused_free()
 * @pfn: first frame
 * @order: size
 * @first: its state byte, or NULL
 *
 * Context: as pagehint_unused_free().
 */
void pagehint_unused_free_block(unsigned long pfn, unsigned int order, u8 *first)
{
	if (unlikely(!first)) {
		pagehint_count(PAGEHINT_OUTSIDE_TABLE, 1);
		return;
	}
	pagehint_count(PAGEHINT_FREED_BLOCK_FRAMES,
		       pagehint_state_free_range(first, 1UL << order));
	pagehint_count(PAGEHINT_FREED_BLOCKS, 1);
}

/**
 * pagehint_unused_alloc_block - the less frequent half of pagehint_unused_alloc()
 * @pfn: first frame
 * @order: size
 * @first: its state byte, or NULL
 *
 * Context: as pagehint_unused_alloc().
 */
void pagehint_unused_alloc_block(unsigned long pfn, unsigned int order, u8 *first)
{
	struct pagehint_changed changed;

	if (unlikely(!first)) {
		pagehint_count(PAGEHINT_OUTSIDE_TABLE, 1);
		return;
	}
	changed = pagehint_state_alloc_range(first, 1UL << order);
	pagehint_count(PAGEHINT_ALLOC_BLOCK_FRAMES, changed.frames);
	pagehint_count(PAGEHINT_ALLOC_BLOCK_TAKEN, changed.absent);
	pagehint_count(PAGEHINT_ALLOC_BLOCKS, 1);
	trace_pagehint_stable(pfn, order, changed.absent);
}

/* ------------------------------------------------------------------------
 * The self-test: with hooks attached and before anything else is hinted, pages
 * of our own must change state as they are freed and allocated.
 */

static u8 state_of(struct page *page)
{
	u8 *byte = pagehint_table_byte(page_to_pfn(page));

	return byte ? READ_ONCE(*byte) & PAGEHINT_USAGE_MASK : PAGEHINT_STABLE;
}

/*
 * A freed page is the next one that its CPU hands out, if nothing comes in
 * between: with interrupts off nothing does, unless the per-CPU list was just
 * drained.
 */
static bool free_and_alloc_seen(unsigned int order)
{
	struct page *page = alloc_pages(GFP_KERNEL, order), *again;
	bool freed, allocated = false;
	unsigned long flags;

	if (!page)
		return false;
	local_irq_save(flags);
	__free_pages(page, order);
	freed = state_of(page) == PAGEHINT_UNUSED;
	again = alloc_pages(GFP_ATOMIC, order);
	if (again == page)
		allocated = state_of(page) == PAGEHINT_STABLE;
	local_irq_restore(flags);
	if (again)
		__free_pages(again, order);
	return freed && allocated;
}

#define NR_BULK	4

static bool bulk_seen(void)
{
	u64 before = pagehint_counter_sum(PAGEHINT_CALLS_BULK);
	struct page *pages[NR_BULK] = { NULL };
	unsigned long nr, i;
	bool stable = true;

	nr = alloc_pages_bulk_array(GFP_KERNEL, NR_BULK, pages);
	for (i = 0; i < nr; i++) {
		stable = stable && state_of(pages[i]) == PAGEHINT_STABLE;
		__free_page(pages[i]);
	}
	return nr && stable && pagehint_counter_sum(PAGEHINT_CALLS_BULK) != before;
}

static int self_test(void)
{
	const unsigned int orders[] = { 0, 1, 3 };
	unsigned int i, try;

	if (pagehint_left_out("mm_page_alloc") || pagehint_left_out("alloc_pages_bulk"))
		return 0;
	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		for (try = 0; try < 100; try++) {
			if (free_and_alloc_seen(orders[i]))
				break;
			cond_resched();
		}
		if (try == 100) {
			pr_err("a page of order %u that was freed and allocated again did not become unused and stable: report it with the kernel's version\n",
			       orders[i]);
			return -EOPNOTSUPP;
		}
	}
	for (try = 0; try < 100; try++) {
		if (bulk_seen())
			return 0;
		cond_resched();
	}
	pr_err("pages from the bulk allocator did not become stable: report it with the kernel's version\n");
	return -EOPNOTSUPP;
}

/* ------------------------------------------------------------------------
 * The scan of what was free before the hooks were there
 */

/*
 * zone->lock keeps a block on its free list, so whoever allocates it comes
 * after us and its event makes the frames stable again. Blocks that start in
 * an earlier pageblock were taken with that one.
 */
static unsigned long scan_pageblock(struct zone *zone, unsigned long pfn,
				    unsigned long end)
{
	unsigned long flags, nr = 0;

	spin_lock_irqsave(&zone->lock, flags);
	if (!pfn_to_online_page(pfn) ||
	    (pfn < offline_end && end > offline_pfn))
		end = pfn;
	while (pfn < end) {
		struct page *page = pfn_to_page(pfn);
		unsigned int order;
		u8 *first;

		if (!PageBuddy(page) || page_zone(page) != zone) {
			pfn++;
			continue;
		}
		order = pagehint_buddy_order(page);
		if (WARN_ON_ONCE(order > PAGEHINT_MAX_BUDDY_ORDER))
			break;
		first = pagehint_table_byte(pfn);
		if (first)
			nr += pagehint_state_scan_range(first, 1UL << order);
		pfn += 1UL << order;
	}
	spin_unlock_irqrestore(&zone->lock, flags);
	return nr;
}

static void scan_zone(struct zone *zone)
{
	unsigned long end = zone_end_pfn(zone);
	unsigned long pfn = zone->zone_start_pfn;

	while (pfn < end) {
		unsigned long next = min(round_down(pfn, pageblock_nr_pages) +
					 pageblock_nr_pages, end);

		pagehint_count(PAGEHINT_SCANNED, scan_pageblock(zone, pfn, next));
		pfn = next;
		cond_resched();
	}
}

static void scan(void)
{
	int node, i;

	pagehint_drain_all_pages();
	mutex_lock(&scan_mutex);
	for_each_online_node(node) {
		for (i = 0; i < MAX_NR_ZONES; i++) {
			struct zone *zone = &NODE_DATA(node)->node_zones[i];

			if (populated_zone(zone))
				scan_zone(zone);
		}
	}
	mutex_unlock(&scan_mutex);
}

/**
 * pagehint_unused_going_offline - memory is about to be taken offline
 * @pfn: first frame
 * @nr_pages: how many
 *
 * A scan leaves it alone until pagehint_unused_offline_done(). One range at a
 * time: the kernel serialises offlining.
 *
 * Context: process, may sleep, hotplug locks held.
 */
void pagehint_unused_going_offline(unsigned long pfn, unsigned long nr_pages)
{
	mutex_lock(&scan_mutex);
	offline_pfn = pfn;
	offline_end = pfn + nr_pages;
	mutex_unlock(&scan_mutex);
}

/**
 * pagehint_unused_offline_done - offlining succeeded or was called off
 *
 * Context: process, may sleep, hotplug locks held.
 */
void pagehint_unused_offline_done(void)
{
	pagehint_unused_going_offline(0, 0);
}

/**
 * pagehint_unused_start - hint free memory from now on
 *
 * Allocation side first, and everybody out of the allocator, so that no frame
 * that becomes unused can be handed out unseen; then the free side; then what
 * is free already.
 *
 * Context: process, may sleep; under control_mutex. Every frame is stable.
 * Return: 0, or an error with nothing attached and a line in the log.
 */
int pagehint_unused_start(void)
{
	int err;

	err = pagehint_hooks_attach(pagehint_unused_hooks, pagehint_nr_unused_hooks,
				    PAGEHINT_ALLOC_SIDE);
	if (err)
		return err;
	err = pagehint_hooks_attach(pagehint_unused_hooks, pagehint_nr_unused_hooks,
				    PAGEHINT_FREE_SIDE);
	if (!err)
		err = pagehint_fail_point() ?: self_test();
	if (err) {
		pagehint_unused_stop();
		return err;
	}
	scan();
	return 0;
}

/**
 * pagehint_unused_stop - make every frame stable and detach
 *
 * The other way round: no frame becomes unused any more, those that are become
 * stable, and only then does the allocation side go.
 *
 * Context: process, may sleep; under control_mutex.
 */
void pagehint_unused_stop(void)
{
	pagehint_hooks_detach(pagehint_unused_hooks, pagehint_nr_unused_hooks,
			      PAGEHINT_FREE_SIDE);
	pagehint_table_sweep_all();
	pagehint_hooks_detach(pagehint_unused_hooks, pagehint_nr_unused_hooks,
			      PAGEHINT_ALLOC_SIDE);
}

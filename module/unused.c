// SPDX-License-Identifier: GPL-2.0
/*
 * Free memory as unused frames: starting (attach, self-test, scan of what is
 * already free), the out-of-line half of the events, stopping.
 *
 * Lock order: control_mutex (control.c) > scan_mutex > zone->lock;
 * tracepoints_mutex (of the kernel) and control_mutex > fast_mutex. scan_mutex is
 * apart because memory offlining takes it while it holds the hotplug locks,
 * under which control_mutex attaches hooks.
 */
#include <pagehint/log.h>

#include <linux/delay.h>
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

unsigned long pagehint_unused_nr_fast __read_mostly;

/* Of the module's tracepoints, how many are on. Under fast_mutex. */
static unsigned int nr_traced;
static DEFINE_MUTEX(fast_mutex);

static DEFINE_MUTEX(scan_mutex);

/* Memory that is going offline is not scanned. Under scan_mutex. */
static unsigned long offline_pfn, offline_end;

static void set_fast(int more_traced)
{
	mutex_lock(&fast_mutex);
	nr_traced += more_traced;
	WRITE_ONCE(pagehint_unused_nr_fast, nr_traced ? 0 : pagehint_table.nr_bytes);
	mutex_unlock(&fast_mutex);
}

/**
 * pagehint_unused_traced - a tracepoint of the module gets its first user
 *
 * Context: process, under the kernel's tracepoints_mutex; also before the
 * module's init (boot parameter trace_event=).
 * Return: 0.
 */
int pagehint_unused_traced(void)
{
	set_fast(1);
	return 0;
}

/**
 * pagehint_unused_untraced - a tracepoint of the module lost its last user
 *
 * Context: as pagehint_unused_traced().
 */
void pagehint_unused_untraced(void)
{
	set_fast(-1);
}

/* The rest of pagehint_unused_free_slow(). */
static noinline void free_other(u8 *first, unsigned long pfn, unsigned int order)
{
	unsigned int changed;
	bool was_volatile;

	if (!pagehint_table_covers(pfn)) {
		pagehint_count(PAGEHINT_OUTSIDE_TABLE, 1);
		return;
	}
	/* Before the change: afterwards the frames may be somebody else's. */
	trace_pagehint_unused(pfn, order);
	/* Nobody but the host writes to it: the caller owns the frames. */
	was_volatile = (READ_ONCE(*first) & PAGEHINT_USAGE_MASK) == PAGEHINT_VOLATILE;
	changed = pagehint_state_free_range(first, 1UL << order);
	if (was_volatile) {
		changed = 1U << order;
		pagehint_count(PAGEHINT_VOLATILE_FREED, changed);
	}
	if (order) {
		pagehint_count(PAGEHINT_FREED_BLOCK_FRAMES, changed);
		pagehint_count(PAGEHINT_FREED_BLOCKS, 1);
	} else {
		pagehint_count(changed ? PAGEHINT_FREED_ONE : PAGEHINT_FREED_ONE_AGAIN, 1);
	}
}

/**
 * pagehint_unused_free_slow - whatever pagehint_unused_free() does not do itself
 * @first: its first frame's state byte, if it is covered
 * @pfn: first frame
 * @order: size
 *
 * Small blocks, and out of their way: larger ones, frames that were not plainly
 * STABLE, frames without a state byte, and everything while the module's own
 * tracepoint is on.
 *
 * Context: as pagehint_unused_free().
 */
void pagehint_unused_free_slow(u8 *first, unsigned long pfn, unsigned int order)
{
	if (likely(pfn < pagehint_unused_nr_fast && order &&
		   order <= PAGEHINT_MAX_WORD_ORDER &&
		   pagehint_state_free_word(first, order))) {
		pagehint_count(PAGEHINT_FREED_BLOCK_FRAMES, 1U << order);
		pagehint_count(PAGEHINT_FREED_BLOCKS, 1);
		return;
	}
	free_other(first, pfn, order);
}

static void count_alloc_one(struct pagehint_changed changed)
{
	if (!changed.frames)
		pagehint_count(PAGEHINT_ALLOC_ONE_PLAIN, 1);
	else if (changed.absent)
		pagehint_count(PAGEHINT_ALLOC_ONE_TAKEN, 1);
	else
		pagehint_count(PAGEHINT_ALLOC_ONE, 1);
}

static void count_alloc_absent(unsigned int order)
{
	pagehint_count(PAGEHINT_ALLOC_BLOCK_FRAMES, 1U << order);
	pagehint_count(PAGEHINT_ALLOC_BLOCK_TAKEN, 1U << order);
}

/* The rest of pagehint_unused_alloc_slow(). */
static noinline void alloc_other(u8 *first, unsigned long pfn, unsigned int order)
{
	struct pagehint_changed changed;

	if (!pagehint_table_covers(pfn)) {
		/* A failed allocation is an event too: no page, no frame below any limit. */
		if (pfn != page_to_pfn((struct page *)NULL))
			pagehint_count(PAGEHINT_OUTSIDE_TABLE, 1);
		return;
	}
	changed = pagehint_state_alloc_range(first, 1UL << order);
	if (order) {
		pagehint_count(PAGEHINT_ALLOC_BLOCK_FRAMES, changed.frames);
		pagehint_count(PAGEHINT_ALLOC_BLOCK_TAKEN, changed.absent);
		pagehint_count(PAGEHINT_ALLOC_BLOCKS, 1);
	} else {
		count_alloc_one(changed);
	}
	/* After the change: the frames are the guest's whatever the tracer does. */
	trace_pagehint_stable(pfn, order, changed.absent);
}

/**
 * pagehint_unused_alloc_slow - whatever pagehint_unused_alloc() does not do itself
 * @first: its first frame's state byte, if it is covered
 * @pfn: first frame
 * @order: size
 *
 * Small blocks that the host did not touch, and out of their way: everything
 * else, as in pagehint_unused_free_slow().
 *
 * Context: as pagehint_unused_alloc().
 */
void pagehint_unused_alloc_slow(u8 *first, unsigned long pfn, unsigned int order)
{
	u8 state;

	if (likely(pfn < pagehint_unused_nr_fast && order &&
		   order <= PAGEHINT_MAX_WORD_ORDER &&
		   pagehint_state_alloc_word(first, order, &state))) {
		if (likely(state == PAGEHINT_UNUSED))
			pagehint_count(PAGEHINT_ALLOC_BLOCK_FRAMES, 1U << order);
		else if (state != PAGEHINT_STABLE)
			count_alloc_absent(order);
		pagehint_count(PAGEHINT_ALLOC_BLOCKS, 1);
		return;
	}
	alloc_other(first, pfn, order);
}

/* ------------------------------------------------------------------------
 * The self-test: with hooks attached and before anything else is hinted, pages
 * of our own must change state as they are freed and allocated.
 */

static u8 state_of(struct page *page)
{
	unsigned long pfn = page_to_pfn(page);

	if (!pagehint_table_covers(pfn))
		return PAGEHINT_STABLE;
	return READ_ONCE(*pagehint_table_byte(pfn)) & PAGEHINT_USAGE_MASK;
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

		if (!PageBuddy(page) || page_zone(page) != zone) {
			pfn++;
			continue;
		}
		order = pagehint_buddy_order(page);
		if (WARN_ON_ONCE(order > PAGEHINT_MAX_BUDDY_ORDER))
			break;
		if (pagehint_left_out("scan_lock")) {
			spin_unlock_irqrestore(&zone->lock, flags);
			mdelay(2);
			spin_lock_irqsave(&zone->lock, flags);
		}
		if (pagehint_table_covers(pfn))
			nr += pagehint_state_scan_range(pagehint_table_byte(pfn),
							1UL << order);
		pagehint_tell_freed(pfn, 1UL << order);
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
	bool reversed = pagehint_left_out("attach_order");
	int err;

	set_fast(0);
	err = pagehint_hooks_attach(pagehint_unused_hooks, pagehint_nr_unused_hooks,
				    reversed ? PAGEHINT_FREE_SIDE : PAGEHINT_ALLOC_SIDE);
	if (err)
		return err;
	err = pagehint_hooks_attach(pagehint_unused_hooks, pagehint_nr_unused_hooks,
				    reversed ? PAGEHINT_ALLOC_SIDE : PAGEHINT_FREE_SIDE);
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
	if (!pagehint_left_out("detach_sweep") && !pagehint_left_out("detach_order"))
		pagehint_table_sweep_all();
	pagehint_hooks_detach(pagehint_unused_hooks, pagehint_nr_unused_hooks,
			      PAGEHINT_ALLOC_SIDE);
	if (pagehint_left_out("detach_order"))
		pagehint_table_sweep_all();
}

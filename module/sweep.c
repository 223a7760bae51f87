// SPDX-License-Identifier: GPL-2.0
/*
 * Volatile folios become stable by frame number: all of them, when nothing may
 * be volatile any more; and those that the host dropped, which then leave the
 * page cache. A folio without content is of no use to anybody, and whoever reads
 * it again reads ahead only if it is not in the cache.
 *
 * Lock order: folio lock; nothing inside it but what removes the folio.
 */
#include <pagehint/log.h>

#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>

#include <compat/page_cache.h>
#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/discard_fault.h>
#include <pagehint/stay.h>
#include <pagehint/swap_cache.h>
#include <pagehint/volatile.h>

#include "trace.h"

/* So long may frames take that can neither be held nor become free. */
#define SWEEP_PATIENCE	(10 * HZ)

/*
 * A folio without content is of no use to anybody: out of the cache with it, so
 * that its next reader reads ahead instead of page by page. Under the folio lock
 * a page that is clean, unmapped and not uptodate stays so.
 */
static bool remove_from_cache(struct folio *folio)
{
	bool removed = false;

	if (!folio_trylock(folio))
		return false;
	if (folio->mapping && !folio_test_anon(folio) && !folio_test_uptodate(folio) &&
	    !folio_test_dirty(folio) && !folio_test_writeback(folio) &&
	    !folio_test_private(folio) && !folio_mapped(folio))
		removed = pagehint_folio_remove(folio);
	folio_unlock(folio);
	return removed;
}

/*
 * The folio of a frame that is marked volatile, or NULL. Only the LRU says for
 * sure that it is one: a broken host may have marked anything. One that somebody
 * isolated from it is back soon.
 */
static struct folio *hold(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);

	return page ? pagehint_folio_get(page_to_pfn(compound_head(page))) : NULL;
}

/* Who recovers it may leave it volatile (PAGEHINT_LEFT). */
static bool is_to_sweep(const u8 *byte)
{
	u8 state = READ_ONCE(*byte);

	return pagehint_state_is_volatile(state) || state == PAGEHINT_RECOVERING;
}

/* Where nobody else writes to the table, or of swap, one that is isolated can be held, too. */
static struct folio *hold_to_sweep(unsigned long pfn)
{
	struct folio *folio;

	if (pagehint_backend->is_gone)
		return pagehint_recovery_hold(pfn);
	folio = hold(pfn);
	if (!folio && pagehint_swap_cache_on())
		folio = pagehint_swap_cache_hold(pfn);
	return folio;
}

static bool is_of_swap(struct folio *folio)
{
	return pagehint_swap_cache_on() && folio_test_swapbacked(folio) &&
	       !pagehint_left_out("swap_sweep");
}

static enum pagehint_kept make_stable(struct folio *folio)
{
	enum pagehint_kept kept;

	if (is_of_swap(folio))
		return pagehint_swap_cache_make_stable(folio);
	kept = pagehint_stay_make_stable(folio);
	if (kept == PAGEHINT_DISCARDED)
		remove_from_cache(folio);
	return kept;
}

/*
 * Taken out of use for good, by a machine check: truncated out of the page cache, off the
 * LRU, and held, so that it is never free.
 */
static bool is_out_of_use(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);

	return page && PageHWPoison(page) && !READ_ONCE(page->mapping) && !PageLRU(page) &&
	       !pagehint_left_out("sweep_poisoned");
}

/*
 * Before @deadline, waits for who has it frozen or isolated: it is being freed, split
 * or moved, which is not for long. What can still not be held then was not made
 * volatile by us: false.
 */
static bool sweep_frame(unsigned long pfn, unsigned long deadline)
{
	u8 *byte = pagehint_table_byte(pfn);

	while (is_to_sweep(byte)) {
		struct folio *folio = hold_to_sweep(pfn);

		if (folio) {
			enum pagehint_kept kept = make_stable(folio);

			folio_put(folio);
			if (kept != PAGEHINT_WAS_STABLE)
				continue;
		} else if (is_out_of_use(pfn)) {
			pagehint_state_release(byte, 1);
			return true;
		}
		if (time_after(jiffies, deadline)) {
			pagehint_state_release(byte, 1);
			return false;
		}
		usleep_range(1000, 2000);
	}
	return true;
}

/**
 * pagehint_volatile_sweep - make volatile frames stable
 * @pfn: first frame
 * @nr_frames: how many; those behind the table's end are skipped
 *
 * Context: process, may sleep. Nothing makes these frames volatile meanwhile;
 * the getters and the free events are hooked.
 */
void pagehint_volatile_sweep(unsigned long pfn, unsigned long nr_frames)
{
	unsigned long end = min(pfn + nr_frames, pagehint_table.nr_bytes);
	unsigned long deadline = jiffies + SWEEP_PATIENCE, nr_wrong = 0;

	if (pagehint_backend->ask_each)
		pagehint_backend->ask_each(pfn, nr_frames);
	for (; pfn < end; pfn++) {
		bool is = is_to_sweep(pagehint_table_byte(pfn));

		if (is && !sweep_frame(pfn, deadline))
			nr_wrong++;
		if (is || !(pfn % 4096))
			cond_resched();
	}
	if (nr_wrong)
		pr_err("%lu frames were marked volatile and are neither page cache nor being freed: whatever writes to the table on the host is broken\n",
		       nr_wrong);
}

/* ------------------------------------------------------------------------
 * What the host dropped, in the background
 */

/**
 * pagehint_volatile_each_dropped - find what the host dropped
 * @found: is called with each frame; may sleep
 * @give_up: asked now and then
 *
 * Eight frames that are all there are passed with one look.
 *
 * Context: process, may sleep.
 */
void pagehint_volatile_each_dropped(void (*found)(unsigned long pfn),
				    bool (*give_up)(void))
{
	const u64 absent = 0x0101010101010101ULL * PAGEHINT_ABSENT;
	unsigned int i;

	for (i = 0; i < pagehint_table.nr_ranges; i++) {
		unsigned long pfn = pagehint_table.ranges[i].gfn;
		unsigned long end = pfn + pagehint_table.ranges[i].nr_frames;

		while (pfn < end) {
			const u8 *byte = pagehint_table_byte(pfn);

			if (!(pfn % 4096)) {
				cond_resched();
				if (give_up())
					return;
			}
			if (IS_ALIGNED(pfn, 8) && pfn + 8 <= end &&
			    !(READ_ONCE(*(const u64 *)byte) & absent)) {
				pfn += 8;
				continue;
			}
			if (pagehint_state_is_volatile_absent(READ_ONCE(*byte)))
				found(pfn);
			pfn++;
		}
	}
}

/**
 * pagehint_volatile_evict - a folio that the host dropped leaves the page cache
 * @pfn: any frame of it; anything may be there by now
 *
 * Context: process, may sleep.
 */
void pagehint_volatile_evict(unsigned long pfn)
{
	struct folio *folio = hold(pfn);
	unsigned long nr;

	if (!folio)
		return;
	nr = folio_nr_pages(folio);
	if (is_of_swap(folio)) {
		if (pagehint_swap_cache_evict(folio)) {
			pagehint_count(PAGEHINT_SWAP_EVICTED, 1);
			pagehint_count(PAGEHINT_VOLATILE_EVICTED, 1);
		}
	} else if (pagehint_stay_make_stable(folio) == PAGEHINT_DISCARDED &&
	    remove_from_cache(folio))
		pagehint_count(PAGEHINT_VOLATILE_EVICTED, nr);
	folio_put(folio);
}

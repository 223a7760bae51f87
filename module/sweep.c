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
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>

#include <pagehint/control.h>
#include <pagehint/volatile.h>

#include "trace.h"

/* A frame that can neither be held nor becomes free: so long, in ms, is normal. */
#define SWEEP_PATIENCE	10000

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
		removed = !generic_error_remove_page(folio->mapping, &folio->page);
	folio_unlock(folio);
	return removed;
}

/*
 * Whoever isolated it from the LRU holds a reference, no more: unlike a commit
 * a sweep does not ask for the LRU. What is there may be freed and allocated
 * anew until the reference is taken; its state says so.
 */
static struct folio *hold(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (!folio_try_get(folio))
		return NULL;
	if (page_folio(page) == folio)
		return folio;
	folio_put(folio);
	return NULL;
}

static void sweep_frame(unsigned long pfn)
{
	u8 *byte = pagehint_table_byte(pfn);
	unsigned int tries = 0;

	while (pagehint_state_is_volatile(READ_ONCE(*byte))) {
		struct page *page = pfn_to_online_page(pfn);
		struct folio *folio = page ? hold(page) : NULL;

		if (folio) {
			enum pagehint_kept kept = pagehint_volatile_make_stable(folio);

			if (kept == PAGEHINT_DISCARDED)
				remove_from_cache(folio);
			folio_put(folio);
			if (kept != PAGEHINT_WAS_STABLE)
				continue;
		}
		/* Its count is frozen: it is being freed, or split. Not for long. */
		WARN_ONCE(++tries == SWEEP_PATIENCE,
			  "pagehint: frame %#lx is volatile and neither free nor page cache; report this\n",
			  pfn);
		usleep_range(1000, 2000);
	}
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

	for (; pfn < end; pfn++) {
		bool swept = pagehint_state_is_volatile(READ_ONCE(*pagehint_table_byte(pfn)));

		if (swept)
			sweep_frame(pfn);
		if (swept || !(pfn % 4096))
			cond_resched();
	}
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
	struct page *page = pfn_to_online_page(pfn);
	struct folio *folio = page ? pagehint_folio_get(page_to_pfn(compound_head(page))) : NULL;
	unsigned long nr;

	if (!folio)
		return;
	nr = folio_nr_pages(folio);
	if (pagehint_volatile_make_stable(folio) == PAGEHINT_DISCARDED &&
	    remove_from_cache(folio))
		pagehint_count(PAGEHINT_VOLATILE_EVICTED, nr);
	folio_put(folio);
}

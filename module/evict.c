// SPDX-License-Identifier: GPL-2.0
/*
 * Dropped folios leave the page cache when somebody comes for one, with those
 * beside it: so that the kernel reads ahead, or around, as from a file that is
 * not in the cache at all. Most left before: module/sweep.c.
 *
 * Lock order: none of its own; invalidate_mapping_pages() takes folio locks.
 */
#include <pagehint/log.h>

#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/xarray.h>

#include <compat/page_cache.h>
#include <pagehint/control.h>
#include <pagehint/volatile.h>

#include "trace.h"

/* So far ahead of a reader are dropped folios evicted: 2 MiB. 8 were no faster. */
#define RUN_AHEAD	((2UL << 20) >> PAGE_SHIFT)
/* So far behind a page fault, which reads around: the usual readahead's half. */
#define RUN_BEHIND	16UL

/**
 * pagehint_volatile_is_dropped - can it be seen that the host dropped a folio?
 * @folio: any folio, without a reference too
 *
 * Only the state byte of its first frame is looked at, and a folio that changes
 * meanwhile is one more, or one less, that is evicted.
 *
 * Context: any.
 */
bool pagehint_volatile_is_dropped(const struct folio *folio)
{
	unsigned long pfn = page_to_pfn(&folio->page);

	if (pfn >= pagehint_volatile_end)
		return false;
	return pagehint_state_is_volatile_absent(READ_ONCE(*pagehint_table_byte(pfn)));
}

/* The last index, up to @limit, before the first folio that is still there. */
static pgoff_t dropped_up_to(struct address_space *mapping, pgoff_t index,
			     pgoff_t limit)
{
	XA_STATE(xas, &mapping->i_pages, index);
	pgoff_t last = limit;
	struct folio *folio;

	rcu_read_lock();
	xas_for_each(&xas, folio, limit) {
		if (xas_retry(&xas, folio))
			continue;
		if (!xa_is_value(folio) && pagehint_volatile_is_dropped(folio))
			continue;
		last = xas.xa_index - 1;
		break;
	}
	rcu_read_unlock();
	return last;
}

/* The first index, from @begin on, of the dropped folios that end at @index. */
static pgoff_t dropped_from(struct address_space *mapping, pgoff_t begin,
			    pgoff_t index)
{
	XA_STATE(xas, &mapping->i_pages, begin);
	pgoff_t first = begin;
	struct folio *folio;

	rcu_read_lock();
	xas_for_each(&xas, folio, index) {
		if (xas_retry(&xas, folio))
			continue;
		if (xa_is_value(folio) || !pagehint_volatile_is_dropped(folio))
			first = xas.xa_index + 1;
	}
	rcu_read_unlock();
	return first;
}

static pgoff_t ahead(pgoff_t index)
{
	return index + RUN_AHEAD > index ? index + RUN_AHEAD : index;
}

/* Of the folios, @counted frames were stable and counted as gone already. */
static void evict(struct address_space *mapping, pgoff_t first, pgoff_t last,
		  unsigned long counted)
{
	unsigned long evicted = invalidate_mapping_pages(mapping, first, last);

	pagehint_count(PAGEHINT_VOLATILE_EVICTED, evicted);
	if (evicted > counted) {
		pagehint_count(PAGEHINT_VOLATILE_DISCARDED, evicted - counted);
		pagehint_count(PAGEHINT_REFAULTED, evicted - counted);
	}
	trace_pagehint_evict(mapping->host->i_ino, first, evicted);
}

static void put_from(struct folio_batch *fbatch, unsigned int nr_left)
{
	while (fbatch->nr > nr_left)
		folio_put(fbatch->folios[--fbatch->nr]);
}

/**
 * pagehint_volatile_settle - make a batch of folios for reading stable
 * @mapping: where they were found
 * @fbatch: the batch, in ascending order
 *
 * On return every folio but the last is uptodate, as the readers of a batch
 * take for granted. If the content of one is gone the batch ends before it, the
 * folios of which the content is gone from there on leave the cache, and the
 * reader reads ahead. Only what this call found gone is evicted, so that a page
 * that cannot be read at all is not evicted over and over: that one ends the
 * batch, for the reader to deal with.
 *
 * Context: process, may sleep.
 */
void pagehint_volatile_settle(struct address_space *mapping,
			      struct folio_batch *fbatch)
{
	unsigned int nr = folio_batch_count(fbatch), i, first = nr, behind = nr;
	pgoff_t begin, last, counted;

	/* From first to behind: the run that this call found gone. */
	for (i = 0; i < nr; i++) {
		struct folio *folio = fbatch->folios[i];
		bool gone = pagehint_volatile_use(folio);

		if (first == nr && !folio_test_uptodate(folio) &&
		    (gone || !pagehint_left_out("uptodate_retest"))) {
			first = i;
			behind = i;
		}
		if (gone && behind == i)
			behind = i + 1;
	}
	if (first == nr)
		return;
	if (first == behind) {
		put_from(fbatch, first + 1);
		return;
	}
	begin = fbatch->folios[first]->index;
	last = folio_next_index(fbatch->folios[behind - 1]) - 1;
	counted = last - begin + 1;
	put_from(fbatch, first);
	if (behind == nr)
		last = dropped_up_to(mapping, last + 1, ahead(last));
	evict(mapping, begin, last, counted);
}

/**
 * pagehint_volatile_evict_at - somebody is about to fault a page in
 * @mapping: of the file
 * @index: of the page
 *
 * If the host dropped it, it leaves the cache with its dropped neighbours, so
 * that the fault reads around.
 *
 * Context: process, may sleep.
 */
void pagehint_volatile_evict_at(struct address_space *mapping, pgoff_t index)
{
	struct folio *folio;
	bool dropped;

	rcu_read_lock();
	folio = xa_load(&mapping->i_pages, index);
	dropped = folio && !xa_is_value(folio) && pagehint_volatile_is_dropped(folio);
	rcu_read_unlock();
	if (likely(!dropped))
		return;
	evict(mapping, dropped_from(mapping, index - min(index, RUN_BEHIND), index),
	      dropped_up_to(mapping, index, ahead(index)), 0);
}

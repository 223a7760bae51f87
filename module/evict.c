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

#include <compat/mm.h>
#include <compat/page_cache.h>
#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/stay.h>
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

/* So many folios are asked for at a time ahead of those that are gone. */
#define ASK_AHEAD	32

/* Adds a folio that the host was told of; without a reference it may be anything by now. */
static void add_told(struct pagehint_span *spans, unsigned int *nr, struct folio *folio)
{
	unsigned long pfn = page_to_pfn(&folio->page), nr_frames = folio_nr_pages(folio);

	if (pfn < pagehint_volatile_end && nr_frames <= 1UL << PAGEHINT_MAX_BUDDY_ORDER &&
	    nr_frames <= pagehint_volatile_end - pfn &&
	    pagehint_host_owns(READ_ONCE(*pagehint_table_byte(pfn))))
		spans[(*nr)++] = (struct pagehint_span){ pfn, nr_frames };
}

/* Where the host has to be asked, a batch is one question. */
static void ask_batch(struct folio_batch *fbatch)
{
	struct pagehint_span spans[PAGEVEC_SIZE];
	unsigned int nr = 0, i;

	if (!static_branch_unlikely(&pagehint_by_calls))
		return;
	for (i = 0; i < folio_batch_count(fbatch); i++)
		add_told(spans, &nr, fbatch->folios[i]);
	if (nr)
		pagehint_backend->ask(spans, nr);
}

/*
 * Where the host has to be asked, is asked for what lies behind a folio that is
 * gone, up to the first that is there: those that were asked for in vain are told
 * again.
 */
static void ask_ahead(struct address_space *mapping, pgoff_t index, pgoff_t limit)
{
	XA_STATE(xas, &mapping->i_pages, index);
	struct pagehint_span spans[ASK_AHEAD];
	struct folio *folio, *last = NULL;
	unsigned int nr = 0;

	if (!static_branch_unlikely(&pagehint_by_calls))
		return;
	rcu_read_lock();
	xas_for_each(&xas, folio, limit) {
		if (xas_retry(&xas, folio) || xa_is_value(folio))
			continue;
		last = folio;
		add_told(spans, &nr, folio);
		if (nr < ASK_AHEAD)
			continue;
		pagehint_backend->ask(spans, nr);
		nr = 0;
		if (!pagehint_volatile_is_dropped(last))
			break;
	}
	if (nr)
		pagehint_backend->ask(spans, nr);
	rcu_read_unlock();
}

/**
 * pagehint_volatile_find_dropped - did the host drop a folio?
 * @folio: any folio, without a reference too
 *
 * Asks it, where it has to be asked. As pagehint_volatile_is_dropped() otherwise.
 *
 * Context: any but NMI.
 */
bool pagehint_volatile_find_dropped(struct folio *folio)
{
	struct pagehint_span span;
	unsigned int nr = 0;

	if (static_branch_unlikely(&pagehint_by_calls)) {
		add_told(&span, &nr, folio);
		if (nr)
			pagehint_backend->ask(&span, 1);
	}
	return pagehint_volatile_is_dropped(folio);
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

	ask_batch(fbatch);
	/* From first to behind: the run that this call found gone. */
	for (i = 0; i < nr; i++) {
		struct folio *folio = fbatch->folios[i];
		bool gone = pagehint_volatile_use(folio) || pagehint_stay_settle(folio);

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
	if (behind == nr) {
		ask_ahead(mapping, last + 1, ahead(last));
		last = dropped_up_to(mapping, last + 1, ahead(last));
	}
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
	dropped = folio && !xa_is_value(folio) && pagehint_volatile_find_dropped(folio);
	rcu_read_unlock();
	if (likely(!dropped))
		return;
	pagehint_count(PAGEHINT_FAULTED_GONE, 1);
	ask_ahead(mapping, index - min(index, RUN_BEHIND), ahead(index));
	evict(mapping, dropped_from(mapping, index - min(index, RUN_BEHIND), index),
	      dropped_up_to(mapping, index, ahead(index)), 0);
}

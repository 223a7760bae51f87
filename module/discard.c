// SPDX-License-Identifier: GPL-2.0
/*
 * Volatile folios become stable again: by use, by a sweep, by being freed; and
 * what happens when the host took one.
 *
 * A folio whose content is gone is a folio that is not uptodate: the kernel's
 * own read paths read it again, and tell their callers of I/O errors. Nothing
 * is removed and nobody waits for I/O here.
 *
 * Who can see what: whoever finds the first frame VOLATILE swaps it to
 * RECOVERING and owns the folio until it publishes STABLE; others spin, so
 * interrupts are off meanwhile. Were STABLE published first, a second reader
 * would return what is not there; were uptodate cleared by two, the later one
 * could throw away what was read anew and written to since.
 *
 * Context: as each function says; nothing here takes a lock but the folio's.
 */
#include <pagehint/log.h>

#include <linux/delay.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/sched.h>
#include <linux/xarray.h>

#include <compat/page_cache.h>
#include <pagehint/control.h>
#include <pagehint/platform.h>
#include <pagehint/volatile.h>

#include "trace.h"

/* So far ahead of a reader are dropped folios evicted: 2 MiB. 8 were no faster. */
#define RUN_AHEAD	((2UL << 20) >> PAGE_SHIFT)
/* So far behind a page fault, which reads around: the usual readahead's half. */
#define RUN_BEHIND	16UL

/* A frame that can neither be held nor becomes free: so long, in ms, is normal. */
#define SWEEP_PATIENCE	10000

static bool is_volatile(u8 state)
{
	return (state & PAGEHINT_USAGE_MASK) == PAGEHINT_VOLATILE;
}

static enum pagehint_kept make_frames_stable(u8 *first, unsigned long nr)
{
	enum pagehint_kept kept;

	if (!pagehint_left_out("large_tails"))
		return pagehint_state_make_stable_range(first, nr);
	kept = pagehint_state_make_stable(first);
	if (kept != PAGEHINT_WAS_STABLE)
		pagehint_state_release(first + 1, nr - 1);
	return kept;
}

static enum pagehint_kept make_stable(struct folio *folio)
{
	unsigned long pfn = folio_pfn(folio), nr = folio_nr_pages(folio), flags;
	u8 *first = pagehint_table_byte(pfn);
	enum pagehint_kept kept;

	/* The host may take its time: with interrupts on, if the caller has them on. */
	if (pagehint_host_owns(READ_ONCE(*first)))
		pagehint_wait_not_busy(first);

	local_irq_save(flags);
	kept = make_frames_stable(first, nr);
	if (kept == PAGEHINT_DISCARDED) {
		if (pagehint_left_out("exclusive_recovery"))
			pagehint_state_recovered(first);
		pagehint_test_delay("recover");
		if (!folio->mapping)
			pagehint_test_met("recover");
		folio_clear_uptodate(folio);
		pagehint_state_recovered(first);
	}
	local_irq_restore(flags);

	if (kept == PAGEHINT_WAS_STABLE) {
		/* It was not when it was found: another CPU was at it. */
		pagehint_test_met("recover");
		return kept;
	}
	pagehint_count(kept == PAGEHINT_KEPT ? PAGEHINT_VOLATILE_KEPT :
					       PAGEHINT_VOLATILE_DISCARDED, nr);
	trace_pagehint_use(pfn, nr, kept == PAGEHINT_DISCARDED);
	return kept;
}

/**
 * pagehint_volatile_keep - a folio was found that is not stable: the usual case
 * @folio: held by a reference, its frame in the table
 *
 * A folio of one frame that the host left alone becomes stable by one swap.
 *
 * Context: any but NMI; never waits.
 * Return: false when it takes more than that: pagehint_volatile_use().
 */
bool pagehint_volatile_keep(struct folio *folio)
{
	unsigned long pfn = folio_pfn(folio);

	if (folio_test_large(folio) || !pagehint_state_keep(pagehint_table_byte(pfn)))
		return false;
	pagehint_count(PAGEHINT_VOLATILE_KEPT, 1);
	trace_pagehint_use(pfn, 1, false);
	pagehint_candidate(pfn);
	return true;
}

/**
 * pagehint_volatile_use - a folio was found by somebody who may read it
 * @folio: held by a reference
 *
 * On return it is stable, and not uptodate if the host had dropped any of it:
 * so uptodate must be tested again by whoever tested it before.
 *
 * Context: any but NMI; never sleeps. May spin for as long as the host drops
 * one range, or another CPU recovers the folio.
 * Return: true when it was this call that found the content gone.
 */
bool pagehint_volatile_use(struct folio *folio)
{
	enum pagehint_kept kept;

	if (folio_pfn(folio) >= pagehint_volatile_end)
		return false;
	if (likely(pagehint_volatile_keep(folio)))
		return false;
	kept = make_stable(folio);
	if (kept == PAGEHINT_WAS_STABLE)
		return false;
	pagehint_candidate(folio_pfn(folio));
	if (kept == PAGEHINT_DISCARDED)
		pagehint_count(PAGEHINT_REFAULTED, folio_nr_pages(folio));
	return kept == PAGEHINT_DISCARDED;
}

/**
 * pagehint_volatile_free - volatile frames may have been freed
 * @pfn: the first
 * @order: how many
 *
 * Only where free memory is not hinted: else they became unused.
 *
 * Context: any, NMI included; may spin on the host.
 */
void pagehint_volatile_free(unsigned long pfn, unsigned int order)
{
	unsigned int released;

	if (pfn >= pagehint_volatile_end)
		return;
	released = pagehint_state_release(pagehint_table_byte(pfn), 1UL << order);
	if (released)
		pagehint_count(PAGEHINT_VOLATILE_FREED, released);
}

/* ------------------------------------------------------------------------
 * Runs of dropped folios leave the cache, so that readahead fills it
 */

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
	u8 state;

	if (pfn >= pagehint_volatile_end)
		return false;
	state = READ_ONCE(*pagehint_table_byte(pfn));
	return is_volatile(state) && state & PAGEHINT_ABSENT;
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

/* ------------------------------------------------------------------------
 * Sweep
 */

/*
 * A folio without content is of no use to anybody: out of the cache with it, so
 * that its next reader reads ahead instead of page by page. Under the folio lock
 * a page that is clean, unmapped and not uptodate stays so.
 */
static void remove_from_cache(struct folio *folio)
{
	if (!folio_trylock(folio))
		return;
	if (folio->mapping && !folio_test_anon(folio) && !folio_test_uptodate(folio) &&
	    !folio_test_dirty(folio) && !folio_test_writeback(folio) &&
	    !folio_test_private(folio) && !folio_mapped(folio))
		generic_error_remove_page(folio->mapping, &folio->page);
	folio_unlock(folio);
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

	while (is_volatile(READ_ONCE(*byte))) {
		struct page *page = pfn_to_online_page(pfn);
		struct folio *folio = page ? hold(page) : NULL;

		if (folio) {
			enum pagehint_kept kept = make_stable(folio);

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
		bool swept = is_volatile(READ_ONCE(*pagehint_table_byte(pfn)));

		if (swept)
			sweep_frame(pfn);
		if (swept || !(pfn % 4096))
			cond_resched();
	}
}

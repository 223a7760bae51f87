// SPDX-License-Identifier: GPL-2.0
/*
 * A volatile folio becomes stable again: by use, or by being freed; and
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
 * Context: as each function says; nothing here takes a lock.
 */
#include <pagehint/log.h>

#include <linux/mm.h>
#include <linux/pagemap.h>

#include <compat/page_cache.h>
#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/discard_fault.h>
#include <pagehint/platform.h>
#include <pagehint/stay.h>
#include <pagehint/volatile.h>

#include "trace.h"

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

/* Nothing that was offered is any of this: it would have been found before. */
static bool is_used(struct folio *folio)
{
	return folio_mapped(folio) || folio_test_dirty(folio) ||
	       folio_test_writeback(folio) || folio_test_anon(folio) ||
	       folio_test_swapbacked(folio);
}

/*
 * Where anybody may write to the table, it then was never offered, a broken host wrote
 * to its byte, and its content is more likely there than not. A host that interrupts
 * whoever uses what it dropped knows better: there a getter is missing.
 */
static bool cannot_be_discarded(struct folio *folio)
{
	return !pagehint_backend->is_gone && is_used(folio);
}

/*
 * Where the host interrupts whoever uses what it dropped, it does so up to here: nobody
 * reads zeros who came past the getters. Not if the folio is mapped: then somebody did,
 * and the frames stay as they are until it is unmapped (module/discard_recover.c).
 */
static void make_usable(struct folio *folio)
{
	unsigned long pfn = folio_pfn(folio), end = pfn + folio_nr_pages(folio);

	if (!pagehint_backend->is_gone ||
	    (unlikely(is_used(folio)) && !pagehint_left_out("stay_unmap")))
		return;
	for (; pfn < end; pfn++) {
		if (pagehint_backend->is_gone(pfn))
			pagehint_backend->make_usable(pfn);
	}
}

/*
 * What is lost may be published as STABLE, which lets everybody use its frames: no entry
 * leads there, and none will. Only who holds the folio lock knows that, where folios stay
 * volatile while they are mapped (module/stay.c); elsewhere none is mapped that is lost.
 */
static bool may_finish(struct folio *folio, bool locked)
{
	if (!pagehint_stay_on() || folio_test_large(folio))
		return true;
	return locked && (!folio_mapped(folio) || pagehint_left_out("stay_unmap"));
}

/* Interrupts are off. Returns whether it is left. */
static bool lose(struct folio *folio, u8 *first, bool locked)
{
	bool lock = !locked && pagehint_stay_on() && folio_trylock(folio);
	bool left;

	folio_clear_uptodate(folio);
	left = !may_finish(folio, locked || lock || pagehint_left_out("stay_lock"));
	if (left) {
		pagehint_state_lost(first);
	} else {
		make_usable(folio);
		pagehint_state_recovered(first);
	}
	if (lock)
		folio_unlock(folio);
	return left;
}

static enum pagehint_kept make_stable(struct folio *folio, bool locked)
{
	unsigned long pfn = folio_pfn(folio), nr = folio_nr_pages(folio), flags;
	u8 *first = pagehint_table_byte(pfn);
	enum pagehint_kept kept;
	bool left = false;

	/* The host may take its time: with interrupts on, if the caller has them on. */
	if (pagehint_host_owns(READ_ONCE(*first)))
		pagehint_wait_folio_not_busy(first, nr);

	local_irq_save(flags);
	kept = make_frames_stable(first, nr);
	if (kept == PAGEHINT_DISCARDED && cannot_be_discarded(folio)) {
		pagehint_count(PAGEHINT_VOLATILE_IMPOSSIBLE, nr);
		pagehint_state_recovered(first);
		kept = PAGEHINT_KEPT;
	}
	if (kept == PAGEHINT_DISCARDED) {
		if (pagehint_left_out("exclusive_recovery"))
			pagehint_state_recovered(first);
		pagehint_test_delay("recover");
		if (!folio->mapping)
			pagehint_test_met("recover");
		left = lose(folio, first, locked);
	}
	local_irq_restore(flags);

	if (left) {
		pagehint_count(PAGEHINT_STAY_LEFT, 1);
		return PAGEHINT_LEFT;
	}
	if (kept == PAGEHINT_DISCARDED && unlikely(is_used(folio)))
		pagehint_discard_late(pfn);
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
 * pagehint_volatile_make_stable - make a folio stable
 * @folio: held by a reference, its frame in the table
 *
 * If the host had dropped any of it, it is not uptodate on return.
 *
 * Context: any but NMI; never sleeps. May spin for as long as the host drops
 * one range, or another CPU recovers the folio.
 * Return: whether it was stable, was kept, or lost its content; or that too, but it is
 * mapped, or may become so, and is not stable (PAGEHINT_LEFT, module/stay.c).
 */
enum pagehint_kept pagehint_volatile_make_stable(struct folio *folio)
{
	return make_stable(folio, false);
}

/**
 * pagehint_volatile_make_stable_locked - the same, by who holds the folio lock
 * @folio: locked by the caller, who is not moving it
 *
 * Context, Return: as there; PAGEHINT_LEFT only if it is mapped.
 */
enum pagehint_kept pagehint_volatile_make_stable_locked(struct folio *folio)
{
	return make_stable(folio, true);
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
 * so uptodate must be tested again by whoever tested it before. Or it is left
 * (PAGEHINT_LEFT): not uptodate, and to be recovered by whoever reads it in.
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
	kept = pagehint_volatile_make_stable(folio);
	if (kept == PAGEHINT_WAS_STABLE || kept == PAGEHINT_LEFT)
		return false;
	pagehint_candidate(folio_pfn(folio));
	if (kept == PAGEHINT_DISCARDED)
		pagehint_count(PAGEHINT_REFAULTED, folio_nr_pages(folio));
	return kept == PAGEHINT_DISCARDED;
}

/**
 * pagehint_volatile_free_slow - whatever pagehint_volatile_free() does not do itself
 * @pfn: the first
 * @order: how many
 *
 * Context: as pagehint_volatile_free().
 */
void pagehint_volatile_free_slow(unsigned long pfn, unsigned int order)
{
	unsigned int released;

	released = pagehint_state_release(pagehint_table_byte(pfn), 1UL << order);
	if (released)
		pagehint_count(PAGEHINT_VOLATILE_FREED, released);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Folios that stay volatile while they are mapped (parameter mapped_volatile).
 *
 * Fault-around finds a volatile folio and maps it as it is: the host is told
 * nothing, and may drop it at any time. Who uses it then is interrupted, and gets a
 * folio that was read again. Everything that reaches the content without the
 * mapping (the getters, page faults that copy or write, GUP) makes it stable first;
 * so do those who want it to stay (mlock, isolation).
 *
 * What follows from "mapped and volatile" is one thing: no frame whose content is gone
 * may become usable while a page table entry leads to it, or will lead to it again,
 * as entries do that migration took out for a while. So whoever finds it gone
 *
 *   clears uptodate, in RECOVERING, so that nobody takes it for valid any more, and
 *   sets it back to VOLATILE and ABSENT, so that users are still interrupted: it is
 *   left (PAGEHINT_LEFT);
 *
 * and whoever holds the folio lock, and may sleep, unmaps it, and only then makes it
 * usable and STABLE. Nobody reads it in before that: reading in needs the lock, and
 * is hooked. Nobody maps it meanwhile: mapping anew needs the lock, too, and copies
 * (fork) are made of entries that are there.
 *
 * The reference count says nothing here: entries change it as they please. A mapped
 * folio never freezes, so it is not made volatile: it only stays so.
 *
 * Lock order: folio lock > i_mmap_rwsem > page table lock, as in mm/rmap.c.
 */
#include <pagehint/log.h>

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/discard_fault.h>
#include <pagehint/stay.h>

#include "trace.h"

bool pagehint_stay_maps __read_mostly;
bool pagehint_stay_rules __read_mostly;

/* ------------------------------------------------------------------------
 * Fault-around
 */

/**
 * pagehint_stay_leaves - is a volatile folio mapped as it is?
 * @folio: locked, by fault-around, which is about to map it read-only
 *
 * Not one that is known to be gone: it is not mapped at all. Nor in an address
 * space with locked memory: there it is made stable first, while something else can
 * still be mapped in its place.
 *
 * Context: fault-around: under RCU, perhaps a page table lock.
 */
bool pagehint_stay_leaves(struct folio *folio)
{
	unsigned long pfn = folio_pfn(folio);
	u8 state;

	if (!READ_ONCE(pagehint_stay_maps) || folio_test_large(folio))
		return false;
	if (current->mm && READ_ONCE(current->mm->locked_vm))
		return false;
	state = READ_ONCE(*pagehint_table_byte(pfn));
	if (!pagehint_state_is_volatile(state) || pagehint_state_is_volatile_absent(state))
		return false;
	pagehint_count(PAGEHINT_STAYED, 1);
	trace_pagehint_stay(pfn);
	return true;
}

/* ------------------------------------------------------------------------
 * What is gone
 */

/**
 * pagehint_stay_recover - deal with the loss of a folio, if it is lost
 * @folio: locked by the caller, who is not moving it
 *
 * On return it is stable; and if its content was gone it is unmapped and not uptodate.
 * As in truncation, entries that a fork is adding come behind their originals in the
 * mapping's tree: what is repeated here is for what that overlooks.
 *
 * Context: process, may sleep.
 * Return: true if it was this call that found it gone, or dealt with that.
 */
bool pagehint_stay_recover(struct folio *folio)
{
	enum pagehint_kept kept = pagehint_volatile_make_stable_locked(folio);
	unsigned int tries = 0;

	while (kept == PAGEHINT_LEFT) {
		if (tries)
			msleep(min(tries, 20U));
		else
			pagehint_count(PAGEHINT_STAY_RECOVERED, 1);
		tries++;
		unmap_mapping_pages(folio->mapping, folio->index, 1, false);
		kept = pagehint_volatile_make_stable_locked(folio);
	}
	if (tries)
		trace_pagehint_recover(folio_pfn(folio));
	return kept == PAGEHINT_DISCARDED;
}

/**
 * pagehint_stay_settle - the same, for a folio that was left by who does not hold it locked
 * @folio: held by a reference
 *
 * Does not wait for its lock: whoever has that deals with the loss.
 *
 * Context: process, may sleep.
 * Return: as pagehint_stay_recover(); false if it is locked.
 */
bool pagehint_stay_settle(struct folio *folio)
{
	bool gone;

	if (!pagehint_stay_on() || pagehint_folio_is_stable(folio) || !folio_trylock(folio))
		return false;
	gone = pagehint_stay_recover(folio);
	folio_unlock(folio);
	return gone;
}

/**
 * pagehint_stay_make_stable - make a folio stable, whatever that takes
 * @folio: held by a reference
 *
 * Context: process, may sleep; not with the folio locked.
 * Return: as pagehint_volatile_make_stable(), but never PAGEHINT_LEFT.
 */
enum pagehint_kept pagehint_stay_make_stable(struct folio *folio)
{
	enum pagehint_kept kept = pagehint_volatile_make_stable(folio);

	if (kept != PAGEHINT_LEFT)
		return kept;
	folio_lock(folio);
	pagehint_stay_recover(folio);
	folio_unlock(folio);
	return PAGEHINT_DISCARDED;
}

/* ------------------------------------------------------------------------
 * Folios that were found through page table entries
 */

/**
 * pagehint_stay_use - a folio is needed, and is not stable
 * @folio: held by a reference, or by an entry and the lock of its page table
 *
 * Context: any but NMI; never sleeps.
 * Return: false if its content is gone.
 */
bool pagehint_stay_use(struct folio *folio)
{
	enum pagehint_kept kept;

	if (likely(pagehint_volatile_keep(folio)))
		return true;
	kept = pagehint_volatile_make_stable(folio);
	if (kept != PAGEHINT_WAS_STABLE)
		pagehint_candidate(folio_pfn(folio));
	return kept == PAGEHINT_WAS_STABLE || kept == PAGEHINT_KEPT;
}

/* Pages of drivers, which can be mapped and are never uptodate, are on no list. */
static bool is_page_cache(struct folio *folio)
{
	struct address_space *mapping;
	bool is = folio_test_lru(folio);

	/* A mapping's memory, and its inode's, is freed after a grace period. */
	rcu_read_lock();
	mapping = READ_ONCE(folio->mapping);
	if (mapping && !((unsigned long)mapping & PAGE_MAPPING_FLAGS))
		is |= mapping->host && S_ISREG(mapping->host->i_mode);
	rcu_read_unlock();
	return is;
}

/**
 * pagehint_stay_usable - somebody took a reference through a page table entry
 * @page: to this page; the entry may be gone by now
 *
 * It may have been recovered between: then it is stable, unmapped, not what the
 * entry meant, and not uptodate, unless it was read again.
 *
 * Context: any but NMI; never sleeps.
 * Return: false if the content is not there: whoever asked has to look again.
 */
bool pagehint_stay_usable(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (unlikely(!pagehint_folio_is_stable(folio)) && !pagehint_stay_use(folio))
		return false;
	return likely(folio_test_uptodate(folio)) || folio_test_anon(folio) ||
	       !is_page_cache(folio);
}

/**
 * pagehint_stay_recover_page - deal with the loss of a page's content
 * @page: held by a reference
 *
 * Context: process, may sleep; with mmap_lock perhaps, and no folio lock.
 */
void pagehint_stay_recover_page(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (pagehint_folio_is_stable(folio))
		return;
	folio_lock(folio);
	pagehint_stay_recover(folio);
	folio_unlock(folio);
}

/* ------------------------------------------------------------------------
 * Start and stop
 */

/**
 * pagehint_stay_now - how many folios are volatile and mapped
 *
 * Context: process; looks through the table.
 */
unsigned long pagehint_stay_now(void)
{
	unsigned long pfn, end = READ_ONCE(pagehint_volatile_end), nr = 0;

	for (pfn = 0; pfn < end; pfn++) {
		struct page *page;

		if (!(pfn % 4096))
			cond_resched();
		if (!pagehint_state_is_volatile(READ_ONCE(*pagehint_table_byte(pfn))))
			continue;
		page = pfn_to_online_page(pfn);
		nr += page && page_mapped(page);
	}
	return nr;
}

/*
 * A guest of this guest reaches memory through entries of its own, and what it is
 * interrupted for is its hypervisor's business.
 */
static bool has_guests(void)
{
	if (!__symbol_get("kvm_get_kvm"))
		return false;
	__symbol_put("kvm_get_kvm");
	return true;
}

/**
 * pagehint_stay_check - may folios stay volatile here?
 * @why: the sentence if not; PAGEHINT_WHY_BYTES
 *
 * Context: process, with a backend open.
 * Return: 0 or -EOPNOTSUPP.
 */
int pagehint_stay_check(char *why)
{
	if (!pagehint_backend->interrupts || !pagehint_backend->interrupts())
		snprintf(why, PAGEHINT_WHY_BYTES,
			 "the host of backend %s does not interrupt whoever uses what it dropped: expected ESSA of z/VM",
			 pagehint_backend->name);
	else if (has_guests())
		snprintf(why, PAGEHINT_WHY_BYTES,
			 "kvm is loaded, and guests of this guest could use mapped pages without being interrupted: remove it first");
	else
		return 0;
	return -EOPNOTSUPP;
}

/**
 * pagehint_stay_start - let folios stay volatile that are mapped from now on
 *
 * Context: process, may sleep, under control_mutex; every other hook of page cache is
 * attached, and nothing is volatile.
 * Return: 0, or an error with nothing attached and a line in the log.
 */
int pagehint_stay_start(void)
{
	int err = pagehint_stay_hooks_attach();

	if (err)
		return err;
	WRITE_ONCE(pagehint_stay_rules, true);
	/* Who goes by the other rules is done: nothing is volatile, and he found nothing. */
	synchronize_rcu();
	WRITE_ONCE(pagehint_stay_maps, true);
	return 0;
}

/**
 * pagehint_stay_stop_mapping - from now on nothing is mapped that is volatile
 *
 * What is already is so until it is swept, by pagehint_volatile_sweep().
 *
 * Context: process, may sleep, under control_mutex.
 */
void pagehint_stay_stop_mapping(void)
{
	if (!READ_ONCE(pagehint_stay_maps))
		return;
	WRITE_ONCE(pagehint_stay_maps, false);
	/* Fault-around runs under RCU from its look at the folio to the entry. */
	synchronize_rcu();
}

/**
 * pagehint_stay_stop - undo pagehint_stay_start()
 *
 * Context: as there; nothing is volatile any more.
 */
void pagehint_stay_stop(void)
{
	if (!READ_ONCE(pagehint_stay_rules))
		return;
	pagehint_stay_hooks_detach();
	WRITE_ONCE(pagehint_stay_rules, false);
}

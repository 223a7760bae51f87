// SPDX-License-Identifier: GPL-2.0
/*
 * Swap cache that the host may drop: finding it, making it stable, and what happens when
 * its content is gone (docs/swap-cache.md).
 *
 * A folio without content that is left in the swap cache would be an error for good to
 * whoever comes: SIGBUS, -EIO, and swapoff replaces the entry. So it is deleted from the
 * swap cache, and stays VOLATILE and ABSENT until that is done; then it is STABLE, is
 * found by nobody, and is free with its last reference. Whoever came for it reads the slot
 * again: its entry counts as before.
 *
 * Who can see what: only who holds the folio lock moves one of these out of VOLATILE (but
 * for the allocator, when it is free). So whoever comes for the content and does not find
 * it STABLE waits for the lock, and then it is STABLE. It may have been deleted by then,
 * or between his finding it and his look at the byte; swapoff, for one, would map it as it
 * is, as nothing in the kernel takes a folio out of the swap cache whose entry is wanted
 * while somebody holds it. So everybody looks, after he saw STABLE, whether it is still
 * what the entry stands for. From then on it stays so: he holds it, so that no commit
 * freezes it.
 *
 * Whoever comes for anything else (mincore, memory cgroups, reclaim, who frees the slot)
 * leaves it as it is.
 *
 * Lock order: folio lock > lock of the swap cache's part > lock of the cluster, as in
 * mm/swap_state.c. The folio lock is waited for where the caller would take it next.
 */
#include <pagehint/log.h>

#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/vmstat.h>

#include <compat/call.h>
#include <compat/swap_cache.h>
#include <pagehint/control.h>
#include <pagehint/hooks.h>
#include <pagehint/stats.h>
#include <pagehint/swap_cache.h>
#include <pagehint/table.h>
#include <pagehint/vector.h>
#include <pagehint/volatile.h>

#include "trace.h"

bool pagehint_swapcache;

/* Frames that are looked at under one hold of commit_mutex */
#define LOOK_FRAMES	4096
/* Rounds without a look while as much is in the swap cache as when nothing was found */
#define PASS_ROUNDS	16

#ifdef PAGEHINT_SWAP_CACHE

static bool on;				/* its hooks are attached; under control_mutex */
static unsigned long sleepers[PAGEHINT_NR_SWAP_SLEEPERS];
static unsigned int nr_sleepers;

static void no_delete(struct folio *folio)
{
}

static struct swap_info_struct *no_device(swp_entry_t entry)
{
	return NULL;
}

PAGEHINT_CALL_DEFINE(delete_call, no_delete);
PAGEHINT_CALL_DEFINE(device_call, no_device);

/**
 * pagehint_swap_cache_on - may swap cache be volatile?
 *
 * Context: any.
 */
bool pagehint_swap_cache_on(void)
{
	return READ_ONCE(on);
}

/* ------------------------------------------------------------------------
 * What might become volatile
 */

/* Once, not for every page; the rest is counted. */
static void say(enum pagehint_swap_why_not why_not)
{
	static const char * const names[PAGEHINT_NR_SWAP_WHY_NOT] = {
		[PAGEHINT_SWAP_CGROUP_V1] =
			"all of it, as the memory controller is the one of cgroup v1, which would forget whose it is",
		[PAGEHINT_SWAP_IN_MEMORY] =
			"that of swap in memory (zram), where nothing would be gained",
		[PAGEHINT_SWAP_BY_FILE_SYSTEM] =
			"that of swap files that a file system reads by itself",
		[PAGEHINT_SWAP_COMPRESSED] =
			"what zswap has in memory, where nothing would be gained",
	};
	static unsigned long said;

	if (!test_and_set_bit(why_not, &said))
		pr_info("swap cache stays stable: %s\n", names[why_not]);
}

/**
 * pagehint_swap_cache_may_go - is the content of a folio on the disk, and only there?
 * @folio: locked, in the swap cache
 *
 * Context: process.
 */
bool pagehint_swap_cache_may_go(struct folio *folio)
{
	swp_entry_t entry = folio_swap_entry(folio);
	struct swap_info_struct *device = PAGEHINT_CALL(device_call)(entry);
	enum pagehint_swap_why_not why_not;

	if (!device)
		return false;
	why_not = pagehint_swap_why_not(device, entry);
	if (why_not != PAGEHINT_SWAP_MAY)
		say(why_not);
	return why_not == PAGEHINT_SWAP_MAY;
}

/**
 * pagehint_swap_cache_look - look for swap cache that nobody seems to use
 * @pfn: the first frame
 * @end: the one after the last
 *
 * Context: the thread, under commit_mutex, so that none of them goes offline.
 * Return: how many frames are candidates now.
 */
unsigned long pagehint_swap_cache_look(unsigned long pfn, unsigned long end)
{
	unsigned long found = 0;

	for (; pfn < end; pfn++) {
		struct page *page;

		if (READ_ONCE(*pagehint_table_byte(pfn)) != PAGEHINT_STABLE)
			continue;
		page = pfn_to_online_page(pfn);
		if (!page || !pagehint_swap_may_qualify(page))
			continue;
		pagehint_candidate(pfn);
		found++;
	}
	return found;
}

/**
 * pagehint_swap_cache_find - all of memory is looked through, if there is reason to
 * @look: pagehint_swap_cache_look() under commit_mutex, for frames of one block of memory
 * @stopping: true: come to an end
 *
 * Read ahead for nobody, or written out and not freed yet: neither makes an event of its
 * own that is worth hooking, and there is never much of it. What is found becomes a
 * candidate, and so is left alone for one to two periods.
 *
 * Context: the thread; may sleep.
 */
void pagehint_swap_cache_find(unsigned long (*look)(unsigned long pfn, unsigned long end),
			      bool (*stopping)(void))
{
	static unsigned long seen;
	static unsigned int passed;
	unsigned long in_cache, found = 0;
	unsigned int i;

	if (!pagehint_swap_cache_on())
		return;
	/* As many as when nothing was found: most likely these are the same. */
	in_cache = global_node_page_state(NR_SWAPCACHE);
	if (!in_cache || (in_cache == seen && ++passed % PASS_ROUNDS))
		return;
	for (i = 0; i < pagehint_table.nr_ranges; i++) {
		const struct pagehint_range *range = &pagehint_table.ranges[i];
		unsigned long pfn = range->gfn, end = pfn + range->nr_frames, next;

		for (; pfn < end && !stopping(); pfn = next) {
			/* Memory goes offline in blocks of several of these. */
			next = min(end, ALIGN(pfn + 1, LOOK_FRAMES));
			found += look(pfn, next);
			cond_resched();
		}
	}
	seen = found ? 0 : in_cache;
}

/* ------------------------------------------------------------------------
 * What was volatile
 */

/* Was never offered: who wrote that to the table is broken. */
static bool cannot_be_discarded(struct folio *folio)
{
	return folio_mapped(folio) || folio_test_dirty(folio) || folio_test_writeback(folio);
}

static void lose(struct folio *folio)
{
	unsigned long slot = folio_swap_entry(folio).val;

	pagehint_test_delay("swap_lose");
	if (!pagehint_left_out("swap_delete"))
		PAGEHINT_CALL(delete_call)(folio);
	pagehint_count(PAGEHINT_SWAP_LOST, 1);
	pagehint_count(PAGEHINT_VOLATILE_DISCARDED, 1);
	trace_pagehint_swap_lost(folio_pfn(folio), slot);
}

static enum pagehint_kept deal_with_loss(struct folio *folio)
{
	/* Its slot is free, so nobody wants it. */
	if (!folio_test_swapcache(folio)) {
		pagehint_count(PAGEHINT_VOLATILE_FREED, 1);
		return PAGEHINT_KEPT;
	}
	if (cannot_be_discarded(folio)) {
		pagehint_count(PAGEHINT_VOLATILE_IMPOSSIBLE, 1);
		return PAGEHINT_KEPT;
	}
	lose(folio);
	return PAGEHINT_DISCARDED;
}

/**
 * pagehint_swap_cache_settle - make a folio stable
 * @folio: locked by the caller and held; its frame in the table
 *
 * If its content was gone it is not in the swap cache any more.
 *
 * Context: process, interrupts on. May spin for as long as the host drops one range.
 * Return: whether it was stable, was kept, or lost its content.
 */
enum pagehint_kept pagehint_swap_cache_settle(struct folio *folio)
{
	u8 *byte = pagehint_table_byte(folio_pfn(folio));
	enum pagehint_kept kept;

	for (;;) {
		u8 state = READ_ONCE(*byte);

		if (!pagehint_state_is_volatile(state))
			return PAGEHINT_WAS_STABLE;
		if (pagehint_host_owns(state)) {
			pagehint_wait_folio_not_busy(byte, 1);
		} else if (pagehint_state_is_volatile_absent(state)) {
			break;
		} else if (pagehint_state_keep(byte)) {
			pagehint_count(PAGEHINT_SWAP_KEPT, 1);
			pagehint_count(PAGEHINT_VOLATILE_KEPT, 1);
			trace_pagehint_use(folio_pfn(folio), 1, false);
			return PAGEHINT_KEPT;
		}
	}
	kept = deal_with_loss(folio);
	/* A full barrier: who sees it STABLE sees that it was deleted. */
	pagehint_state_release(byte, 1);
	return kept;
}

/**
 * pagehint_swap_cache_make_stable - make a folio stable, whoever has it locked
 * @folio: held, its frame in the table
 *
 * Context: process, may sleep; not with the folio locked.
 * Return: as pagehint_swap_cache_settle().
 */
enum pagehint_kept pagehint_swap_cache_make_stable(struct folio *folio)
{
	enum pagehint_kept kept;

	folio_lock(folio);
	kept = pagehint_swap_cache_settle(folio);
	folio_unlock(folio);
	return kept;
}

/**
 * pagehint_swap_cache_use - may a folio be handed out as what a swap entry stands for?
 * @folio: held
 * @entry: for which it was found
 *
 * Context: process, may sleep; not with the folio locked.
 * Return: PAGEHINT_SWAP_FOUND if it may; else whoever found it has to look again. In any
 * case it is stable, and stays so.
 */
enum pagehint_swap_found pagehint_swap_cache_use(struct folio *folio, swp_entry_t entry)
{
	if (unlikely(!pagehint_folio_is_stable(folio)) &&
	    pagehint_swap_cache_make_stable(folio) == PAGEHINT_DISCARDED) {
		pagehint_count(PAGEHINT_REFAULTED, 1);
		return pagehint_left_out("swap_delete") ? PAGEHINT_SWAP_FOUND : PAGEHINT_SWAP_GONE;
	}
	/* Large ones are never volatile, and so never deleted by us. */
	if (folio_test_large(folio) || pagehint_left_out("swap_look_again"))
		return PAGEHINT_SWAP_FOUND;
	return folio_test_swapcache(folio) && folio_swap_entry(folio).val == entry.val ?
	       PAGEHINT_SWAP_FOUND : PAGEHINT_SWAP_TAKEN;
}

/**
 * pagehint_swap_cache_evict - a folio that the host dropped leaves the swap cache
 * @folio: held; anything may have become of it by now
 *
 * Context: process, may sleep; does not wait for the folio lock.
 * Return: whether it did.
 */
bool pagehint_swap_cache_evict(struct folio *folio)
{
	enum pagehint_kept kept;

	if (!folio_trylock(folio))
		return false;
	kept = pagehint_swap_cache_settle(folio);
	folio_unlock(folio);
	return kept == PAGEHINT_DISCARDED;
}

/**
 * pagehint_swap_cache_hold - take a reference on a volatile folio that is not on the LRU
 * @pfn: its frame
 *
 * Reclaim may have it isolated for as long as its I/O takes. It only has to be one that is
 * swapped: what is held is looked at under its lock.
 *
 * Context: process.
 * Return: it or NULL.
 */
struct folio *pagehint_swap_cache_hold(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	struct folio *folio;

	if (!page || PageCompound(page) || !PageSwapBacked(page))
		return NULL;
	folio = page_folio(page);
	if (!folio_try_get(folio))
		return NULL;
	if (page_folio(page) == folio && !folio_test_large(folio) &&
	    folio_test_swapbacked(folio))
		return folio;
	folio_put(folio);
	return NULL;
}

/* ------------------------------------------------------------------------
 * Start and stop
 */

static int find_sleepers(void)
{
	static const char * const names[] = { PAGEHINT_SWAP_SLEEPERS };
	struct pagehint_symbol symbols[PAGEHINT_NR_SWAP_SLEEPERS] = { };
	struct pagehint_symbol *pointers[PAGEHINT_NR_SWAP_SLEEPERS];
	unsigned int i;
	int err;

	BUILD_BUG_ON(ARRAY_SIZE(names) != PAGEHINT_NR_SWAP_SLEEPERS);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		symbols[i].name = names[i];
		pointers[i] = &symbols[i];
	}
	err = pagehint_resolve(pointers, ARRAY_SIZE(pointers));
	if (err)
		return err;
	nr_sleepers = 0;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		bool may = i >= ARRAY_SIZE(names) - PAGEHINT_NR_SWAP_SLEEPERS_MAY;

		if (symbols[i].definitions > 1 || (!symbols[i].definitions && !may))
			return -ENOENT;
		if (symbols[i].definitions)
			sleepers[nr_sleepers++] = symbols[i].address;
	}
	return 0;
}

/**
 * pagehint_swap_cache_check - can swap cache be volatile on this kernel?
 * @why: the sentence if not; PAGEHINT_WHY_BYTES
 *
 * Context: process, at load.
 * Return: 0, -EIO if the kernel's symbols cannot be read, or another error.
 */
int pagehint_swap_cache_check(char *why)
{
	struct pagehint_symbol delete = { .name = "delete_from_swap_cache" };
	struct pagehint_symbol device = { .name = "swp_swap_info" };
	struct pagehint_symbol *symbols[] = { &delete, &device };
	int err = pagehint_swap_hooks_find() ?: pagehint_resolve(symbols, ARRAY_SIZE(symbols));

	snprintf(why, PAGEHINT_WHY_BYTES, "see the line above");
	if (err)
		return err;
	err = pagehint_unhooked_open() ?: find_sleepers();
	if (err || delete.definitions != 1 || device.definitions != 1) {
		snprintf(why, PAGEHINT_WHY_BYTES,
			 "a function of the swap cache, or one that reads tasks' stacks, was not found, or twice: this kernel build is not supported, report its version");
		return err == -EIO ? err : -EOPNOTSUPP;
	}
	PAGEHINT_CALL_SET(delete_call, delete.address);
	PAGEHINT_CALL_SET(device_call, device.address);
	return 0;
}

/**
 * pagehint_swap_cache_start - let swap cache become volatile, once the thread waited
 *
 * Context: process, may sleep, under control_mutex; the hooks of page cache are attached.
 * Return: 0, or an error with nothing attached and a line in the log.
 */
int pagehint_swap_cache_start(void)
{
	int err = pagehint_swap_hooks_attach();

	if (err)
		return err;
	WRITE_ONCE(on, true);
	/* Said before anything is swapped: nothing will come of it. */
	if (pagehint_swap_has_cgroup_v1())
		say(PAGEHINT_SWAP_CGROUP_V1);
	return 0;
}

/**
 * pagehint_swap_cache_stop - undo pagehint_swap_cache_start()
 *
 * Context: as there; nothing is volatile any more, and nothing becomes so.
 */
void pagehint_swap_cache_stop(void)
{
	if (!on)
		return;
	pagehint_swap_hooks_detach();
	WRITE_ONCE(on, false);
}

/**
 * pagehint_swap_cache_wait - wait for those who read in since before the hooks
 * @give_up: is asked now and then
 *
 * Context: process, may sleep; before anything is volatile.
 * Return: false when told to give up, or without memory.
 */
bool pagehint_swap_cache_wait(bool (*give_up)(void))
{
	unsigned int i;

	for (i = 0; pagehint_swap_cache_on() && i < nr_sleepers; i++) {
		if (!pagehint_unhooked_wait(sleepers[i], give_up))
			return false;
	}
	return true;
}

#endif /* PAGEHINT_SWAP_CACHE */

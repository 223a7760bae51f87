// SPDX-License-Identifier: GPL-2.0
/*
 * Making one folio volatile, if nothing speaks against it.
 *
 * The rule behind it: a discard is a reclaim. What reclaim may drop, the host
 * may drop, but for what only a freshly allocated folio would have reset.
 *
 * Who can see what: the folio lock keeps truncation, writeback's begin, migration
 * and reading in out; the reference count frozen at zero keeps everybody else
 * out, so that a folio that freezes is one that nobody holds. Whoever gets it
 * from then on gets it through a getter whose exit is hooked. What others may
 * change while they hold only a reference (dirty, uptodate, private, a mapping)
 * is therefore tested while the count is frozen, and only then.
 *
 * Context: the thread that commits, under commit_mutex (module/volatile.c), but for
 * pagehint_folio_get() and pagehint_refusal_name().
 *
 * Lock order: commit_mutex > folio lock, which is tried; inside it only the freeze, with
 * interrupts off, in which nothing is called: a getter, possibly in NMI, spins on it.
 */
#include <pagehint/log.h>

#include <linux/fs.h>
#include <linux/fsverity.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/pagemap.h>

#include <compat/page_cache.h>
#include <pagehint/control.h>
#include <pagehint/lazyfree.h>
#include <pagehint/swap_cache.h>
#include <pagehint/volatile.h>

#include "trace.h"
#include "volatile_policy.h"

/**
 * pagehint_folio_get - take a reference on a folio of the LRU, by frame
 * @pfn: its first frame, any frame
 *
 * As mm/page_idle.c does: the frame may be freed and allocated as something
 * else at any moment before the reference is taken.
 *
 * Context: any. The caller keeps memory from going offline, or knows that something there
 * is volatile, which is made stable before that.
 * Return: the folio that begins with this frame, or NULL.
 */
struct folio *pagehint_folio_get(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	struct folio *folio;

	if (!page || PageTail(page))
		return NULL;
	folio = (struct folio *)page;
	if (!folio_test_lru(folio) || !folio_try_get(folio))
		return NULL;
	if (page_folio(page) == folio && folio_test_lru(folio))
		return folio;
	folio_put(folio);
	return NULL;
}

/* Of its own: what the mapping remembers is tested besides. */
static bool has_write_error(struct folio *folio)
{
	return pagehint_folio_has_error(folio) && !pagehint_left_out("write_error");
}

/* A large folio's second page has a flag for all of it; behind a small one is another's page. */
static bool is_poisoned(struct folio *folio)
{
	return folio_test_hwpoison(folio) ||
	       (folio_test_large(folio) && folio_test_has_hwpoisoned(folio));
}

/*
 * What does not change while the folio is locked and in the page cache, and
 * what is not worth a freeze. Also the one test that must not wait for it:
 * folio_end_writeback() takes and drops a reference whatever the count is, and
 * on a frozen one that would free the folio. Under the lock no writeback begins.
 */
static enum pagehint_refusal refused_locked(struct folio *folio, bool mapped_too)
{
	struct address_space *mapping = folio->mapping;
	struct inode *inode;

	if (folio_test_writeback(folio) && !pagehint_left_out("writeback_test"))
		return PAGEHINT_REFUSED_WRITEBACK;
	if (pagehint_folio_is_lazyfree(folio))
		return PAGEHINT_REFUSED_LAZYFREE;
	if (!mapping || folio_test_anon(folio) || folio_test_swapbacked(folio) ||
	    folio_test_swapcache(folio))
		return PAGEHINT_REFUSED_ANONYMOUS;
	if (folio_mapped(folio) && !mapped_too)
		return PAGEHINT_REFUSED_MAPPED;
	if (folio_test_dirty(folio))
		return PAGEHINT_REFUSED_DIRTY;
	if (folio_test_unevictable(folio) || folio_test_mlocked(folio) ||
	    mapping_unevictable(mapping))
		return PAGEHINT_REFUSED_UNEVICTABLE;
	if (has_write_error(folio) || is_poisoned(folio) ||
	    folio_test_checked(folio) || folio_test_private_2(folio))
		return PAGEHINT_REFUSED_FLAGS;
	inode = mapping->host;
	if (!inode || mapping != &inode->i_data || !S_ISREG(inode->i_mode))
		return PAGEHINT_REFUSED_NOT_REGULAR;
	if (!pagehint_volatile_file_system(inode->i_sb))
		return PAGEHINT_REFUSED_FILE_SYSTEM;
	/*
	 * read_folio by itself: ext4's buddy cache and btrfs' metadata hold all
	 * other conditions when their inode's memory was a regular file's before.
	 */
	if (!mapping->a_ops->read_folio || IS_DAX(inode) || IS_SWAPFILE(inode) ||
	    IS_VERITY(inode) || mapping_exiting(mapping))
		return PAGEHINT_REFUSED_FILE;
	/* After a failed writeback the page may be the only copy. */
	if (READ_ONCE(mapping->wb_err) && !pagehint_left_out("write_error"))
		return PAGEHINT_REFUSED_WRITE_ERROR;
	/* Last: what is refused by this is looked at again, and the rest not. */
	if (!folio_test_uptodate(folio))
		return PAGEHINT_REFUSED_NOT_UPTODATE;
	return PAGEHINT_COMMITTED;
}

/*
 * The same for the swap cache. In it, a folio has no mapping of its own (tmpfs has it in
 * its own and there only while it is locked), or an anonymous one.
 */
static enum pagehint_refusal refused_swap_locked(struct folio *folio)
{
	if (folio_test_writeback(folio) && !pagehint_left_out("writeback_test"))
		return PAGEHINT_REFUSED_WRITEBACK;
	if (folio_test_large(folio) || folio_test_ksm(folio) || folio_mapped(folio) ||
	    (folio->mapping && !folio_test_anon(folio)))
		return PAGEHINT_REFUSED_ANONYMOUS;
	if (folio_test_dirty(folio))
		return PAGEHINT_REFUSED_DIRTY;
	if (folio_test_unevictable(folio) || folio_test_mlocked(folio))
		return PAGEHINT_REFUSED_UNEVICTABLE;
	if (pagehint_folio_has_error(folio) || folio_test_hwpoison(folio) ||
	    folio_test_private(folio))
		return PAGEHINT_REFUSED_FLAGS;
	if (!pagehint_swap_cache_may_go(folio))
		return PAGEHINT_REFUSED_SWAP;
	if (!folio_test_uptodate(folio))
		return PAGEHINT_REFUSED_NOT_UPTODATE;
	return PAGEHINT_COMMITTED;
}

static enum pagehint_refusal refused_swap_frozen(struct folio *folio)
{
	if (folio_test_dirty(folio))
		return PAGEHINT_REFUSED_DIRTY;
	if (!folio_test_uptodate(folio))
		return PAGEHINT_REFUSED_NOT_UPTODATE;
	if (folio_mapped(folio))
		return PAGEHINT_REFUSED_MAPPED;
	if (!folio_test_swapcache(folio) || !folio_test_lru(folio) ||
	    folio_test_writeback(folio))
		return PAGEHINT_REFUSED_IN_USE;
	if (folio_test_unevictable(folio) || folio_test_mlocked(folio))
		return PAGEHINT_REFUSED_UNEVICTABLE;
	if (pagehint_folio_has_error(folio) || folio_test_hwpoison(folio) ||
	    folio_test_private(folio))
		return PAGEHINT_REFUSED_FLAGS;
	return PAGEHINT_COMMITTED;
}

/* What whoever holds a reference may have changed until the freeze. */
static enum pagehint_refusal refused_frozen(struct folio *folio)
{
	if (folio_test_swapbacked(folio))
		return refused_swap_frozen(folio);
	if (folio_test_dirty(folio))
		return PAGEHINT_REFUSED_DIRTY;
	if (!folio_test_uptodate(folio))
		return PAGEHINT_REFUSED_NOT_UPTODATE;
	if (folio_test_private(folio))
		return PAGEHINT_REFUSED_PRIVATE;
	if (folio_mapped(folio))
		return PAGEHINT_REFUSED_MAPPED;
	if (!folio->mapping || !folio_test_lru(folio) || folio_test_writeback(folio))
		return PAGEHINT_REFUSED_IN_USE;
	if (folio_test_unevictable(folio) || folio_test_mlocked(folio))
		return PAGEHINT_REFUSED_UNEVICTABLE;
	if (has_write_error(folio) || is_poisoned(folio) ||
	    folio_test_checked(folio) || folio_test_private_2(folio))
		return PAGEHINT_REFUSED_FLAGS;
	return PAGEHINT_COMMITTED;
}

static enum pagehint_refusal freeze_and_commit(struct folio *folio)
{
	u8 *first = pagehint_table_byte(folio_pfn(folio));
	u8 temperature = pagehint_folio_temperature(folio);
	unsigned long nr = folio_nr_pages(folio), flags;
	bool tested_before = pagehint_left_out("frozen_test");
	enum pagehint_refusal refusal = PAGEHINT_COMMITTED;

	if (tested_before)
		refusal = refused_frozen(folio);
	pagehint_test_delay("commit");
	if (refusal != PAGEHINT_COMMITTED)
		return refusal;

	local_irq_save(flags);
	/* The page cache's references, one per page, and ours. */
	if (!folio_ref_freeze(folio, nr + 1)) {
		local_irq_restore(flags);
		pagehint_test_met("commit");
		return PAGEHINT_REFUSED_IN_USE;
	}
	if (!tested_before)
		refusal = refused_frozen(folio);
	if (refusal != PAGEHINT_COMMITTED)
		pagehint_test_met("commit");
	if (refusal == PAGEHINT_COMMITTED &&
	    !pagehint_state_make_volatile_range(first, nr, temperature))
		refusal = PAGEHINT_REFUSED_IN_USE;
	pagehint_test_delay("frozen");
	folio_ref_unfreeze(folio, nr + 1);
	local_irq_restore(flags);

	if (refusal == PAGEHINT_COMMITTED) {
		pagehint_count(PAGEHINT_MADE_VOLATILE, nr);
		trace_pagehint_volatile(folio_pfn(folio), nr, temperature);
	}
	return refusal;
}

static enum pagehint_refusal commit_swap_locked(struct folio *folio)
{
	enum pagehint_refusal refusal = refused_swap_locked(folio);

	if (refusal == PAGEHINT_COMMITTED && folio_ref_count(folio) != 2)
		return PAGEHINT_REFUSED_IN_USE;
	if (refusal == PAGEHINT_COMMITTED)
		refusal = freeze_and_commit(folio);
	pagehint_count(PAGEHINT_SWAP_VOLATILE, refusal == PAGEHINT_COMMITTED);
	return refusal;
}

static enum pagehint_refusal commit_locked(struct folio *folio)
{
	enum pagehint_refusal refusal;

	if (folio_test_swapcache(folio) && pagehint_swap_cache_on())
		return commit_swap_locked(folio);
	refusal = refused_locked(folio, false);
	if (refusal != PAGEHINT_COMMITTED)
		return refusal;
	/* Cheap, and nearly as good as the freeze: releasing private data is not. */
	if (folio_ref_count(folio) != folio_nr_pages(folio) + 1 +
				      folio_has_private(folio))
		return PAGEHINT_REFUSED_IN_USE;
	/*
	 * As reclaim does: otherwise ext4 pages that were written, XFS large
	 * folios and all of btrfs would never qualify.
	 */
	if (folio_has_private(folio) && !filemap_release_folio(folio, 0))
		return PAGEHINT_REFUSED_PRIVATE;
	return freeze_and_commit(folio);
}

/**
 * pagehint_volatile_refuses_mapped - is it more than being mapped that speaks
 * against a folio?
 * @folio: locked, with a reference
 *
 * Context: the thread, under commit_mutex.
 * Return: what else; PAGEHINT_REFUSED_MAPPED if nothing else, and
 * PAGEHINT_COMMITTED if not even that.
 */
enum pagehint_refusal pagehint_volatile_refuses_mapped(struct folio *folio)
{
	enum pagehint_refusal refusal = refused_locked(folio, true);

	if (refusal == PAGEHINT_COMMITTED && folio_mapped(folio))
		return PAGEHINT_REFUSED_MAPPED;
	return refusal;
}

/**
 * pagehint_volatile_commit - make a folio volatile if that is right
 * @pfn: its first frame; anything may be there by now
 *
 * Context: the thread, under commit_mutex; may sleep (releasing private data).
 * Return: PAGEHINT_COMMITTED, or why not.
 */
enum pagehint_refusal pagehint_volatile_commit(unsigned long pfn)
{
	enum pagehint_refusal refusal = PAGEHINT_REFUSED_LOCKED;
	struct folio *folio = pagehint_folio_get(pfn);

	if (!folio)
		return PAGEHINT_REFUSED_NOT_LRU;
	if (folio_trylock(folio)) {
		refusal = commit_locked(folio);
		folio_unlock(folio);
	}
	folio_put(folio);
	return refusal;
}

/**
 * pagehint_refusal_name - the name of a reason, in debugfs
 * @refusal: which
 */
const char *pagehint_refusal_name(enum pagehint_refusal refusal)
{
	static const char * const names[PAGEHINT_NR_REFUSALS] = {
		[PAGEHINT_REFUSED_NOT_LRU] = "not_lru",
		[PAGEHINT_REFUSED_LOCKED] = "locked",
		[PAGEHINT_REFUSED_IN_USE] = "in_use",
		[PAGEHINT_REFUSED_PRIVATE] = "private",
		[PAGEHINT_REFUSED_DIRTY] = "dirty",
		[PAGEHINT_REFUSED_WRITEBACK] = "writeback",
		[PAGEHINT_REFUSED_NOT_UPTODATE] = "not_uptodate",
		[PAGEHINT_REFUSED_MAPPED] = "mapped",
		[PAGEHINT_REFUSED_ANONYMOUS] = "anonymous",
		[PAGEHINT_REFUSED_LAZYFREE] = "lazyfree",
		[PAGEHINT_REFUSED_UNEVICTABLE] = "unevictable",
		[PAGEHINT_REFUSED_FLAGS] = "flags",
		[PAGEHINT_REFUSED_NOT_REGULAR] = "not_regular",
		[PAGEHINT_REFUSED_FILE_SYSTEM] = "file_system",
		[PAGEHINT_REFUSED_FILE] = "file",
		[PAGEHINT_REFUSED_WRITE_ERROR] = "write_error",
		[PAGEHINT_REFUSED_SWAP] = "swap",
		[PAGEHINT_REFUSED_OFFLINING] = "offlining",
	};

	return names[refusal];
}

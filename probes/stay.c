// SPDX-License-Identifier: GPL-2.0
/*
 * Folios that are mapped while they are volatile: every way to their content, or to a
 * promise about them, that is no access through the mapping (docs/mapped-volatile.md).
 *
 *   filemap_read_folio            before a folio is read in; it is locked
 *   do_wp_page                    a page fault that copies, or makes writable; under the
 *                                 page table's lock, with the entry verified
 *   internal_get_user_pages_fast  exit; may sleep unless it is only the fast part
 *   __get_user_pages              exit; with mmap_lock, unless that was dropped
 *   mlock_folio, folio_isolate_lru   entry; any locks
 *   folio_migrate_mapping         before migration copies; the folio is locked, and its
 *                                 entries will be put back, so nothing is recovered here
 *
 * Attached only while folios may stay volatile. The getters of page cache are in
 * probes/page_cache.c.
 *
 * Lock order: mmap_lock, which may be held > folio lock, waited for where a page fault
 * would; nothing under a page table's lock.
 */
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sched/signal.h>

#include <compat/call.h>
#include <compat/ftrace.h>
#include <compat/stay.h>
#include <pagehint/control.h>
#include <pagehint/discard_fault.h>
#include <pagehint/hooks.h>
#include <pagehint/stay.h>

/* So often a page is looked up anew: each time somebody was faster to drop it. */
#define TRIES	1000

/* ------------------------------------------------------------------------
 * Reading in
 */

static int no_read(PAGEHINT_READ_IN_PROTO)
{
	return -EIO;
}

PAGEHINT_ORIGINAL(read_in, no_read)

/* A device must not meet a frame that is volatile, nor a user one that is half read. */
static noinline __used int wrap_read_in(PAGEHINT_READ_IN_PROTO)
{
	int result;

	pagehint_wrapper_enter(PAGEHINT_INSIDE_PAGE_CACHE);
	if (unlikely(!pagehint_folio_is_stable(folio))) {
		pagehint_count(PAGEHINT_STAY_READ_IN, 1);
		pagehint_stay_recover(folio);
	}
	result = PAGEHINT_CALL(original_read_in)(PAGEHINT_READ_IN_ARGS);
	pagehint_wrapper_exit(PAGEHINT_INSIDE_PAGE_CACHE);
	return result;
}

PAGEHINT_DIRECT_ENTRY(direct_read_in, wrap_read_in);

/* ------------------------------------------------------------------------
 * Write faults
 */

static vm_fault_t no_write(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

PAGEHINT_ORIGINAL(write, no_write)

/* The entry's page, if it is volatile. The page table's lock keeps the entry. */
static struct page *volatile_page(pte_t pte)
{
	unsigned long pfn = pte_pfn(pte);

	if (pte_special(pte) || pfn >= pagehint_volatile_end ||
	    !pfn_valid(pfn) || pagehint_folio_is_stable(page_folio(pfn_to_page(pfn))))
		return NULL;
	return pfn_to_page(pfn);
}

/* The access is repeated, and is then a page fault on what is not mapped. */
static noinline vm_fault_t write_to_lost(struct vm_fault *vmf, struct page *page)
{
	get_page(page);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	pagehint_stay_recover_page(page);
	put_page(page);
	return 0;
}

static noinline __used vm_fault_t wrap_write(struct vm_fault *vmf)
{
	struct page *page;
	vm_fault_t result;

	pagehint_wrapper_enter(PAGEHINT_INSIDE_PAGE_CACHE);
	page = volatile_page(vmf->orig_pte);
	if (unlikely(page))
		pagehint_count(PAGEHINT_STAY_WRITES, 1);
	if (unlikely(page) && !pagehint_stay_use(page_folio(page)))
		result = write_to_lost(vmf, page);
	else
		result = PAGEHINT_CALL(original_write)(vmf);
	pagehint_wrapper_exit(PAGEHINT_INSIDE_PAGE_CACHE);
	return result;
}

PAGEHINT_DIRECT_ENTRY(direct_write, wrap_write);

/* ------------------------------------------------------------------------
 * GUP
 */

static int no_gup_fast(PAGEHINT_GUP_FAST_PROTO)
{
	return -EFAULT;
}

static long no_gup(PAGEHINT_GUP_PROTO)
{
	return -EFAULT;
}

PAGEHINT_ORIGINAL(gup_fast, no_gup_fast)
PAGEHINT_ORIGINAL(gup, no_gup)

static void put_pages(struct page **pages, long nr, unsigned int gup_flags)
{
	long i;

	for (i = 0; i < nr; i++) {
		if (gup_flags & FOLL_PIN)
			unpin_user_page(pages[i]);
		else
			put_page(pages[i]);
	}
}

/*
 * How many from the first on have their content. The others are given back; the first
 * of them is dealt with, if this may sleep.
 */
static long keep_usable(struct page **pages, long nr, unsigned int gup_flags, bool may_sleep)
{
	long good = 0;

	while (good < nr && likely(pagehint_stay_usable(pages[good])))
		good++;
	if (likely(good == nr))
		return good;
	pagehint_count(PAGEHINT_STAY_GUP, 1);
	if (may_sleep)
		pagehint_stay_recover_page(pages[good]);
	put_pages(pages + good, nr - good, gup_flags);
	return good;
}

/* What is missing is looked up anew; who may not wait gets what there is. */
static noinline __used int wrap_gup_fast(PAGEHINT_GUP_FAST_PROTO)
{
	bool may_sleep = !(gup_flags & PAGEHINT_GUP_FAST_NO_WAIT);
	unsigned int tries = 0;
	long done = 0;
	int result;

	/* Nobody in an NMI reads what he got. But to him it could be lost while we wait. */
	if (unlikely(in_nmi()))
		return 0;
	pagehint_wrapper_enter(PAGEHINT_INSIDE_PAGE_CACHE);
	for (;;) {
		long good;

		result = PAGEHINT_CALL(original_gup_fast)(start + done * PAGE_SIZE,
							  nr_pages - done, gup_flags,
							  pages + done);
		if (result <= 0)
			break;
		good = keep_usable(pages + done, result, gup_flags, may_sleep);
		done += good;
		if (likely(good == result))
			break;
		result = gup_flags & FOLL_FAST_ONLY ? 0 : -EFAULT;
		if (!may_sleep || fatal_signal_pending(current) || ++tries == TRIES)
			break;
		cond_resched();
	}
	pagehint_wrapper_exit(PAGEHINT_INSIDE_PAGE_CACHE);
	return done ?: result;
}

PAGEHINT_DIRECT_ENTRY(direct_gup_fast, wrap_gup_fast);

/*
 * The original says by @locked that it has dropped mmap_lock; then it looked up fewer
 * than it was asked for, and its caller goes on behind what it got.
 */
static noinline __used long wrap_gup(PAGEHINT_GUP_PROTO)
{
	bool may_sleep = !(gup_flags & PAGEHINT_GUP_NO_WAIT);
	unsigned int tries = 0;
	long done = 0, result;

	pagehint_wrapper_enter(PAGEHINT_INSIDE_PAGE_CACHE);
	for (;;) {
		long good;

		result = PAGEHINT_CALL(original_gup)(mm, start + done * PAGE_SIZE,
						     nr_pages - done, gup_flags,
						     pages ? pages + done : NULL,
						     vmas ? vmas + done : NULL, locked);
		if (result <= 0 || !pages)
			break;
		good = keep_usable(pages + done, result, gup_flags, may_sleep);
		done += good;
		if (likely(good == result))
			break;
		result = 0;
		if (locked && !*locked)
			break;
		result = -EFAULT;
		if (!may_sleep || fatal_signal_pending(current) || ++tries == TRIES)
			break;
		cond_resched();
	}
	pagehint_wrapper_exit(PAGEHINT_INSIDE_PAGE_CACHE);
	return done ?: result;
}

PAGEHINT_DIRECT_ENTRY(direct_gup, wrap_gup);

/* ------------------------------------------------------------------------
 * Locking in memory, isolation, migration
 */

/* What is lost is unmapped in the background: who uses it next reads it in. */
static void probe_stable(struct folio *folio, enum pagehint_counter counter)
{
	if (likely(pagehint_folio_is_stable(folio)))
		return;
	pagehint_count(counter, 1);
	if (!pagehint_stay_use(folio))
		pagehint_recovery_ask(folio_pfn(folio), PAGEHINT_FROM_HOOK);
}

static void notrace probe_mlock(unsigned long ip, unsigned long parent_ip,
				struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	probe_stable((struct folio *)pagehint_ftrace_argument(fregs, 0), PAGEHINT_STAY_MLOCKS);
}

static void notrace probe_isolate_lru(unsigned long ip, unsigned long parent_ip,
				      struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	probe_stable((struct folio *)pagehint_ftrace_argument(fregs, 0),
		     PAGEHINT_STAY_ISOLATED);
}

static int no_move(PAGEHINT_MOVE_PROTO)
{
	return -EAGAIN;
}

PAGEHINT_ORIGINAL(move, no_move)

/*
 * A copy would be of nothing, and the entries that were taken out would lead to it. So
 * the migration fails, they lead to the lost frame again, and who uses it is interrupted.
 */
static noinline __used int wrap_move(PAGEHINT_MOVE_PROTO)
{
	int result = -EAGAIN;

	pagehint_wrapper_enter(PAGEHINT_INSIDE_PAGE_CACHE);
	if (likely(pagehint_folio_is_stable(folio)) || pagehint_stay_use(folio)) {
		result = PAGEHINT_CALL(original_move)(PAGEHINT_MOVE_ARGS);
	} else {
		pagehint_count(PAGEHINT_STAY_MOVES, 1);
		pagehint_recovery_ask(folio_pfn(folio), PAGEHINT_FROM_HOOK);
	}
	pagehint_wrapper_exit(PAGEHINT_INSIDE_PAGE_CACHE);
	return result;
}

PAGEHINT_DIRECT_ENTRY(direct_move, wrap_move);

/* ------------------------------------------------------------------------ */

PAGEHINT_CALLS(read_in, PAGEHINT_STAY_READ_IN)
PAGEHINT_CALLS(writes, PAGEHINT_STAY_WRITES)
PAGEHINT_CALLS(gup, PAGEHINT_STAY_GUP)
PAGEHINT_CALLS(mlocks, PAGEHINT_STAY_MLOCKS)
PAGEHINT_CALLS(isolated, PAGEHINT_STAY_ISOLATED)
PAGEHINT_CALLS(moves, PAGEHINT_STAY_MOVES)

#define GUP	0	/* which of them */

static struct pagehint_hook hooks[] = {
	[GUP] = {
		.target = PAGEHINT_GUP_TARGET, .name = "get_user_pages",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.inside = PAGEHINT_INSIDE_PAGE_CACHE,
		.probe = direct_gup, .set_original = set_original_gup,
		.calls = calls_gup,
	}, {
		.target = PAGEHINT_READ_IN_TARGET, .name = "filemap_read_folio",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.inside = PAGEHINT_INSIDE_PAGE_CACHE,
		.probe = direct_read_in, .set_original = set_original_read_in,
		.calls = calls_read_in,
	}, {
		.target = PAGEHINT_WRITE_TARGET, .name = "do_wp_page",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.inside = PAGEHINT_INSIDE_PAGE_CACHE,
		.probe = direct_write, .set_original = set_original_write,
		.calls = calls_writes,
	}, {
		.target = PAGEHINT_GUP_FAST_TARGET, .name = "gup_fast",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.inside = PAGEHINT_INSIDE_PAGE_CACHE,
		.probe = direct_gup_fast, .set_original = set_original_gup_fast,
		.calls = calls_gup,
	}, {
		.target = PAGEHINT_MLOCK_TARGET, .name = "mlock_folio",
		.mechanism = PAGEHINT_ENTRY, .side = PAGEHINT_ALLOC_SIDE,
		.probe = probe_mlock, .calls = calls_mlocks,
	}, {
		.target = PAGEHINT_ISOLATE_LRU_TARGET, .name = "folio_isolate_lru",
		.mechanism = PAGEHINT_ENTRY, .side = PAGEHINT_ALLOC_SIDE,
		.probe = probe_isolate_lru, .calls = calls_isolated,
	}, {
		.target = PAGEHINT_MOVE_TARGET, .name = "migration_fails",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.inside = PAGEHINT_INSIDE_PAGE_CACHE,
		.probe = direct_move, .set_original = set_original_move,
		.calls = calls_moves,
	},
};

/**
 * pagehint_stay_sleeping_getter - the hooked function in which a task may sleep and then
 * look a page up
 *
 * Context: process, after the hooks were found.
 * Return: its address.
 */
unsigned long pagehint_stay_sleeping_getter(void)
{
	return hooks[GUP].symbol.address;
}

/**
 * pagehint_stay_hooks_find - find them in this kernel
 *
 * Context: process, at load.
 * Return: 0, or an error with a line in the log.
 */
int pagehint_stay_hooks_find(void)
{
	return pagehint_hooks_find(hooks, ARRAY_SIZE(hooks));
}

/**
 * pagehint_stay_hooks_attach - attach all of them
 *
 * Context: process, may sleep.
 * Return: 0, or an error with nothing attached and a line in the log.
 */
int pagehint_stay_hooks_attach(void)
{
	return pagehint_hooks_attach(hooks, ARRAY_SIZE(hooks), PAGEHINT_ALLOC_SIDE);
}

/**
 * pagehint_stay_hooks_detach - detach them
 *
 * Context: process, may sleep; no folio is volatile.
 */
void pagehint_stay_hooks_detach(void)
{
	pagehint_hooks_detach(hooks, ARRAY_SIZE(hooks), PAGEHINT_ALLOC_SIDE);
}

/**
 * pagehint_stay_hooks_show - list them for debugfs
 * @m: where to
 *
 * Context: process.
 */
void pagehint_stay_hooks_show(struct seq_file *m)
{
	pagehint_hooks_show(m, hooks, ARRAY_SIZE(hooks));
}

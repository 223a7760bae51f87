// SPDX-License-Identifier: GPL-2.0
/*
 * The swap cache: every way to the content of a folio there that nobody holds
 * (docs/swap-cache.md).
 *
 *   swap_cache_get_folio exit	  page faults, tmpfs, swapoff: found in the cache
 *   swapin_readahead exit	  page faults, swapoff: not found there; may sleep
 *   swap_cluster_readahead exit  tmpfs, and part of the one before; may sleep
 *   folio_migrate_mapping	  before migration copies; the folio is locked
 *
 * The first answers "not there" when the content is gone; the second, when it found what
 * somebody else had read in and that is gone, does it once more; tmpfs looks again by
 * itself, and starts over; migration fails and is tried again.
 *
 * A probe turns one event into one call of module/ and decides nothing.
 */
#include <linux/mm.h>

#include <compat/call.h>
#include <compat/ftrace.h>
#include <compat/page_cache.h>
#include <compat/swap_cache.h>
#include <pagehint/control.h>
#include <pagehint/hooks.h>
#include <pagehint/swap_cache.h>
#include <pagehint/volatile.h>

#ifdef PAGEHINT_SWAP_CACHE

static struct folio *no_folio(PAGEHINT_SWAP_GET_PROTO)
{
	return NULL;
}

PAGEHINT_ORIGINAL(get, no_folio)

/*
 * tmpfs, which comes without a vma, does not hold the device. Where somebody else was
 * faster, that may be swapoff, which is done with the device by now: reading in would take
 * it for one of 2^32 slots. So tmpfs is given what it found, looks again once it has it
 * locked, as it does in any case, and starts over.
 */
static bool must_look_again(enum pagehint_swap_found found, const struct vm_area_struct *vma)
{
	return found == PAGEHINT_SWAP_TAKEN && !vma && !pagehint_left_out("swap_device");
}

static noinline __used struct folio *wrap_get(PAGEHINT_SWAP_GET_PROTO)
{
	struct folio *folio;

	pagehint_wrapper_enter(PAGEHINT_INSIDE_PAGE_CACHE);
	folio = PAGEHINT_CALL(original_get)(PAGEHINT_SWAP_GET_ARGS);
	pagehint_test_delay(folio ? "swap_get" : "swap_missed");
	if (folio) {
		enum pagehint_swap_found found = pagehint_swap_cache_use(folio, entry);

		if (unlikely(found != PAGEHINT_SWAP_FOUND) && !must_look_again(found, vma)) {
			folio_put(folio);
			folio = NULL;
		}
	}
	pagehint_count(PAGEHINT_CALLS_SWAP_GET, 1);
	pagehint_wrapper_exit(PAGEHINT_INSIDE_PAGE_CACHE);
	return folio;
}

PAGEHINT_DIRECT_ENTRY(direct_get, wrap_get);

static struct page *no_page(PAGEHINT_SWAP_IN_PROTO)
{
	return NULL;
}

PAGEHINT_ORIGINAL(in, no_page)
PAGEHINT_ORIGINAL(cluster, no_page)

/*
 * Its callers hold the device. NULL would be taken for want of memory: so once more, which
 * reads the slot in.
 */
static bool is_wanted(struct page *page, swp_entry_t entry)
{
	struct folio *folio;

	if (!page)
		return true;
	folio = page_folio(page);
	if (likely(pagehint_swap_cache_use(folio, entry) == PAGEHINT_SWAP_FOUND))
		return true;
	folio_put(folio);
	return false;
}

static noinline __used struct page *wrap_in(PAGEHINT_SWAP_IN_PROTO)
{
	struct page *page;

	pagehint_wrapper_enter(PAGEHINT_INSIDE_PAGE_CACHE);
	do {
		page = PAGEHINT_CALL(original_in)(PAGEHINT_SWAP_IN_ARGS);
	} while (unlikely(!is_wanted(page, entry)));
	pagehint_count(PAGEHINT_CALLS_SWAP_IN, 1);
	pagehint_wrapper_exit(PAGEHINT_INSIDE_PAGE_CACHE);
	return page;
}

PAGEHINT_DIRECT_ENTRY(direct_in, wrap_in);

/*
 * Its callers are tmpfs, which does not hold the device, and looks again; and the one above.
 * So whatever it is, it is handed out: stable.
 */
static noinline __used struct page *wrap_cluster(PAGEHINT_SWAP_IN_PROTO)
{
	struct page *page;

	pagehint_wrapper_enter(PAGEHINT_INSIDE_PAGE_CACHE);
	page = PAGEHINT_CALL(original_cluster)(PAGEHINT_SWAP_IN_ARGS);
	if (page)
		pagehint_swap_cache_use(page_folio(page), entry);
	pagehint_count(PAGEHINT_CALLS_SWAP_CLUSTER, 1);
	pagehint_wrapper_exit(PAGEHINT_INSIDE_PAGE_CACHE);
	return page;
}

PAGEHINT_DIRECT_ENTRY(direct_cluster, wrap_cluster);

static int no_move(PAGEHINT_SWAP_MOVE_PROTO)
{
	return -EAGAIN;
}

PAGEHINT_ORIGINAL(move, no_move)

/*
 * Of page cache, too: that is stable by now, as the hook at its entry saw to it. The caller
 * has the folio locked. Neither this nor the original sleeps, so nobody is to be waited for
 * in it but by the grace period of detaching.
 */
static noinline __used int wrap_move(PAGEHINT_SWAP_MOVE_PROTO)
{
	if (unlikely(!pagehint_folio_is_stable(folio)) && folio_test_swapbacked(folio)) {
		pagehint_count(PAGEHINT_CALLS_SWAP_MOVE, 1);
		if (pagehint_swap_cache_settle(folio) == PAGEHINT_DISCARDED)
			return -EAGAIN;
	}
	return PAGEHINT_CALL(original_move)(PAGEHINT_SWAP_MOVE_ARGS);
}

PAGEHINT_DIRECT_ENTRY(direct_move, wrap_move);

PAGEHINT_CALLS(get, PAGEHINT_CALLS_SWAP_GET)
PAGEHINT_CALLS(in, PAGEHINT_CALLS_SWAP_IN)
PAGEHINT_CALLS(cluster, PAGEHINT_CALLS_SWAP_CLUSTER)
PAGEHINT_CALLS(move, PAGEHINT_CALLS_SWAP_MOVE)

static struct pagehint_hook hooks[] = {
	{
		.target = PAGEHINT_SWAP_GET_TARGET, .name = "swap_get",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.inside = PAGEHINT_INSIDE_PAGE_CACHE,
		.probe = direct_get, .set_original = set_original_get,
		.calls = calls_get,
	}, {
		.target = PAGEHINT_SWAP_IN_TARGET, .name = "swap_in",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.inside = PAGEHINT_INSIDE_PAGE_CACHE,
		.probe = direct_in, .set_original = set_original_in,
		.calls = calls_in,
	}, {
		.target = PAGEHINT_SWAP_CLUSTER_TARGET, .name = "swap_cluster",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.inside = PAGEHINT_INSIDE_PAGE_CACHE,
		.probe = direct_cluster, .set_original = set_original_cluster,
		.calls = calls_cluster,
	}, {
		.target = PAGEHINT_SWAP_MOVE_TARGET, .name = "swap_move",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.inside = PAGEHINT_INSIDE_PAGE_CACHE,
		.probe = direct_move, .set_original = set_original_move,
		.calls = calls_move,
#ifdef PAGEHINT_TEST
	}, {
		.target = PAGEHINT_SWAP_MAP_TARGET, .name = "swap_map",
		.mechanism = PAGEHINT_ENTRY, .side = PAGEHINT_ALLOC_SIDE,
		.optional = true,
		.probe = pagehint_probe_map, .calls = pagehint_map_calls,
#endif
	},
};

/**
 * pagehint_swap_hooks_find - find the targets in this kernel
 *
 * Context: process, at load.
 * Return: 0, or an error with a line in the log.
 */
int pagehint_swap_hooks_find(void)
{
	return pagehint_hooks_find(hooks, ARRAY_SIZE(hooks));
}

/**
 * pagehint_swap_hooks_attach - attach all of them
 *
 * Context: process, may sleep.
 * Return: 0, or an error with nothing attached and a line in the log.
 */
int pagehint_swap_hooks_attach(void)
{
	return pagehint_hooks_attach(hooks, ARRAY_SIZE(hooks), PAGEHINT_ALLOC_SIDE);
}

/**
 * pagehint_swap_hooks_detach - detach all of them
 *
 * Who is asleep in one may stay so; pagehint_hooks_wait_inside().
 *
 * Context: process, may sleep.
 */
void pagehint_swap_hooks_detach(void)
{
	pagehint_hooks_detach(hooks, ARRAY_SIZE(hooks), PAGEHINT_ALLOC_SIDE);
}

/**
 * pagehint_swap_hooks_show - list them for debugfs
 * @m: where to
 *
 * Context: process.
 */
void pagehint_swap_hooks_show(struct seq_file *m)
{
	pagehint_hooks_show(m, hooks, ARRAY_SIZE(hooks));
}

#endif /* PAGEHINT_SWAP_CACHE */

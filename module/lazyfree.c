// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that a program gave up with MADV_FREE is freed when it is idle.
 *
 * The kernel frees it when memory is short, which in a guest may be never, while
 * the host is in need. Here it is freed as reclaim does it, when the looks of
 * module/mapped.c found it unused: after that its frame is free memory like any
 * other. It is never volatile: the program may write to it again at any moment
 * without a fault, and then it has to stay.
 *
 * Who decides that: try_to_unmap() clears each page table entry under the page table
 * lock and only then asks whether it was dirty, and whether anybody but the page
 * tables and its caller holds the folio. If so it puts the entry back, and the
 * folio is ordinary anonymous memory again. So our tests before it are only to keep
 * that rare; a wrong guess costs the program a fault and zeros, which it expects.
 *
 * The folio is off the LRU meanwhile: which list it is counted on depends on the
 * flag by which the kernel takes it back.
 *
 * Lock order: folio lock > anon_vma lock > page table lock; LRU lock inside the first.
 */
#include <pagehint/log.h>

#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/rmap.h>
#include <linux/swap.h>

#include <compat/call.h>
#include <compat/rmap.h>
#include <pagehint/checks.h>
#include <pagehint/control.h>
#include <pagehint/hooks.h>
#include <pagehint/lazyfree.h>
#include <pagehint/mapped.h>

#include "trace.h"

bool pagehint_lazyfree;

/* Pages freed in a round: a flush of the TLB for each */
#define MOST_FREED	16384UL

static unsigned long left;	/* in this round; the thread's */

static PAGEHINT_ISOLATE_RESULT no_isolate(struct folio *folio)
{
	return PAGEHINT_STILL_ON_LRU;
}

PAGEHINT_CALL_DEFINE(isolate_call, no_isolate);

/**
 * pagehint_lazyfree_round - a round of looks begins
 *
 * Context: the thread.
 */
void pagehint_lazyfree_round(void)
{
	left = MOST_FREED;
}

/**
 * pagehint_lazyfree_may_go - is it worth looking whether a lazily freed folio is idle?
 * @folio: locked, held by one reference, pagehint_folio_is_lazyfree()
 *
 * Written to, or locked in memory: it stays, and is a candidate again with the next
 * MADV_FREE.
 *
 * Context: the thread.
 */
bool pagehint_lazyfree_may_go(struct folio *folio)
{
	return READ_ONCE(pagehint_lazyfree) && folio_mapped(folio) &&
	       !folio_test_dirty(folio) && !folio_test_unevictable(folio) &&
	       !folio_test_mlocked(folio) && !folio_test_hwpoison(folio);
}

/* Off the LRU, with its reference in place of ours */
static bool isolate(struct folio *folio)
{
	if (pagehint_left_out("lazyfree_isolate"))
		return true;
	if (PAGEHINT_CALL(isolate_call)(folio) == PAGEHINT_STILL_ON_LRU)
		return false;
	folio_put(folio);
	/* Nobody changes these two while it is off the LRU. */
	if (folio_test_unevictable(folio)) {
		folio_add_lru(folio);
		return false;
	}
	/* A page that is freed active is a bad one, to a kernel that looks. */
	folio_clear_active(folio);
	return true;
}

static void put_back(struct folio *folio)
{
	if (pagehint_left_out("lazyfree_isolate"))
		return;
	/* As reclaim does with what it finds in use. */
	if (!folio_test_mlocked(folio))
		folio_set_active(folio);
	folio_add_lru(folio);
}

/**
 * pagehint_lazyfree_free - free an idle folio that its program gave up
 * @folio: locked, held by one reference, pagehint_lazyfree_may_go(), found idle
 *
 * Afterwards nobody but the caller has it, and it is free with his reference; or it
 * was in use.
 *
 * Context: the thread; may sleep.
 * Return: whether it is still worth looking at.
 */
bool pagehint_lazyfree_free(struct folio *folio)
{
	unsigned long pfn = folio_pfn(folio), nr = folio_nr_pages(folio);

	if (left < nr)
		return true;
	/* Otherwise try_to_unmap() would take it for written to. */
	if (pagehint_folio_is_held(folio) || !isolate(folio))
		return true;
	left -= nr;
	pagehint_test_delay("lazyfree");
	pagehint_try_to_unmap(folio);
	if (folio_mapped(folio)) {
		pagehint_test_met("lazyfree");
		pagehint_count(PAGEHINT_LAZYFREE_KEPT, 1);
		put_back(folio);
		return false;
	}
	/*
	 * Who found it by its frame number in between lets go of it when he sees
	 * that it is not on the LRU; then it is free with his reference.
	 */
	pagehint_count(PAGEHINT_LAZYFREE_FREED, nr);
	count_vm_events(PGLAZYFREED, nr);
	trace_pagehint_lazyfree(pfn, nr);
	return false;
}

/**
 * pagehint_lazyfree_check - can such memory be freed on this kernel?
 * @why: the sentence if not; PAGEHINT_WHY_BYTES
 *
 * Context: process, at load, after pagehint_mapped_check().
 * Return: 0 or -EOPNOTSUPP.
 */
int pagehint_lazyfree_check(char *why)
{
	struct pagehint_symbol isolate_lru = { .name = "folio_isolate_lru" };
	struct pagehint_symbol *symbols[] = { &isolate_lru };

	if (pagehint_resolve(symbols, ARRAY_SIZE(symbols)))
		return -EOPNOTSUPP;
	if (isolate_lru.definitions != 1) {
		snprintf(why, PAGEHINT_WHY_BYTES,
			 "%s was expected once in this kernel and found %u times",
			 isolate_lru.name, isolate_lru.definitions);
		return -EOPNOTSUPP;
	}
	PAGEHINT_CALL_SET(isolate_call, isolate_lru.address);
	return 0;
}

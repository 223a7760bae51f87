/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Anonymous memory that a program gave up with MADV_FREE: unmapped and freed once
 * nobody uses it, and then unused by the allocator's own events. Never volatile: a
 * write to it takes no fault.
 *
 * Context: pagehint_lazyfree_check() at load; the rest for the thread that commits
 * (module/volatile.c).
 */
#ifndef _PAGEHINT_LAZYFREE_H
#define _PAGEHINT_LAZYFREE_H

#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/rmap.h>

int pagehint_lazyfree_check(char *why);
void pagehint_lazyfree_round(void);
bool pagehint_lazyfree_may_go(struct folio *folio);
bool pagehint_lazyfree_free(struct folio *folio);

/* Parameter, set by module/parameters.c. */
extern bool pagehint_lazyfree;

/**
 * pagehint_folio_is_lazyfree - was it given up with MADV_FREE?
 * @folio: held by a reference
 *
 * It is when the mark has left the CPU's batch, and until it is written to and the
 * kernel finds that.
 *
 * Context: any.
 */
static inline bool pagehint_folio_is_lazyfree(struct folio *folio)
{
	return folio_test_anon(folio) && !folio_test_ksm(folio) &&
	       !folio_test_swapbacked(folio) && !folio_test_swapcache(folio);
}

#endif /* _PAGEHINT_LAZYFREE_H */

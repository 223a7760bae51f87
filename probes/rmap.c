// SPDX-License-Identifier: GPL-2.0
/*
 * Test build only: an assertion. No folio is mapped while it is volatile: whoever
 * maps one passes a getter before, and holds it from there on, so that no commit
 * freezes it. Looked at where the reverse map grows by a new folio; copies of
 * entries (fork) are of what is mapped. What may stay volatile is locked meanwhile.
 *
 * In the product it would cost every page fault a call and find nothing.
 *
 * Context: any in which pages are mapped, under the page table lock.
 */
#include <linux/mm.h>

#include <compat/ftrace.h>
#include <compat/page_cache.h>
#include <pagehint/hooks.h>
#include <pagehint/stay.h>
#include <pagehint/volatile.h>

void notrace pagehint_probe_map(unsigned long ip, unsigned long parent_ip,
				struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct folio *folio = page_folio((struct page *)pagehint_ftrace_argument(fregs, 0));

	pagehint_count(PAGEHINT_CALLS_MAP, 1);
	if (likely(pagehint_folio_is_stable(folio)))
		return;
	/* Fault-around may (module/stay.c): a folio of one frame, and locked. */
	if (pagehint_stay_on() && !folio_test_large(folio) && folio_test_locked(folio))
		return;
	pagehint_count(PAGEHINT_MAPPED_NOT_STABLE, 1);
}

u64 pagehint_map_calls(void)
{
	return pagehint_counter_sum(PAGEHINT_CALLS_MAP);
}

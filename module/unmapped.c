// SPDX-License-Identifier: GPL-2.0
/*
 * What is no longer mapped: a hook says that something was unmapped, munmap or a process
 * that ended, and not what. The thread goes through what it knows to have been mapped, a
 * few instructions a page, and what is not now is a candidate.
 *
 * A hook that sees each page whose mapping goes (page_remove_rmap) costs all who unmap
 * files; and nothing depends on the moment.
 *
 * Context: the thread that commits (module/volatile.c), under commit_mutex.
 */
#include <linux/memory_hotplug.h>
#include <linux/mm.h>

#include <compat/atomic.h>
#include <pagehint/control.h>
#include <pagehint/stats.h>
#include <pagehint/volatile.h>

/* What a frame is, without a reference, may change at any time: so nothing hangs on this. */
static bool is_mapped(struct page *page)
{
	bool mapped = true;
	struct folio *folio;

	if (likely(!PageCompound(page)))
		return atomic_read(&page->_mapcount) >= 0;
	folio = pagehint_folio_get(page_to_pfn(page));
	if (folio) {
		mapped = folio_mapped(folio);
		folio_put(folio);
	}
	return mapped;
}

static bool (*is_going_offline)(unsigned long pfn);

/* Of frames that were mapped, those that are not now. */
static unsigned long find_unmapped(unsigned long pfn, unsigned long bits)
{
	struct page *page = pfn_to_online_page(pfn);
	unsigned long gone = 0;

	if (!page)
		return bits;
	if (is_going_offline(pfn))
		return 0;
	for (; bits; bits &= bits - 1) {
		unsigned long bit = __ffs(bits);

		if (!is_mapped(page + bit))
			gone |= BIT(bit);
	}
	return gone;
}

/**
 * pagehint_unmapped_look - find what is no longer mapped
 * @anyhow: without having been told that anything is
 * @goes_offline: must this frame be left alone, as its struct page may go?
 *
 * The hook sees most of what is unmapped. What it does not see (a private mapping's copy
 * takes a page's place, reclaim) is found when this is called with @anyhow. If much is
 * mapped still, a part is looked at, and the next part in the next call.
 *
 * Context: see above. commit_mutex keeps other memory from going offline meanwhile.
 */
void pagehint_unmapped_look(bool anyhow, bool (*goes_offline)(unsigned long pfn))
{
	static bool more;

	is_going_offline = goes_offline;
	if (pagehint_xchg(&pagehint_candidates_unmapped, 0)) {
		pagehint_count(PAGEHINT_CALLS_UNMAP, 1);
		more = true;
	}
	if ((more || anyhow) && !pagehint_left_out("unmapped_look"))
		more = !pagehint_candidates_mapped_some(find_unmapped);
}

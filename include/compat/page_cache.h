/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page cache: names and types of the hooked functions, and flags that
 * differ between kernels.
 *
 * 6.1: mm/filemap.c __filemap_get_folio(), filemap_get_read_batch() and
 * next_uptodate_page(); mm/migrate.c folio_migrate_mapping(), which copies
 * after it; mm/rmap.c page_add_file_rmap(); mm/swap.c mark_page_lazyfree();
 * mm/huge_memory.c split_huge_page_to_list().
 *
 * 6.12: mm/filemap.c filemap_get_entry(), which all single lookups go through and
 * which does not sleep, filemap_get_read_batch() and next_uptodate_folio();
 * mm/util.c folio_mc_copy(), after which the mapping is moved; mm/rmap.c
 * folio_add_file_rmap_ptes|pmd(); mm/swap.c folio_mark_lazyfree(); mm/huge_memory.c
 * split_huge_page_to_list_to_order().
 */
#ifndef _PAGEHINT_COMPAT_PAGE_CACHE_H
#define _PAGEHINT_COMPAT_PAGE_CACHE_H

#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/version.h>
#include <linux/xarray.h>

#define PAGEHINT_READ_BATCH_TARGET	"filemap_get_read_batch"

#define PAGEHINT_READ_BATCH_PROTO	struct address_space *mapping, \
					pgoff_t index, pgoff_t max, \
					struct folio_batch *fbatch
#define PAGEHINT_READ_BATCH_ARGS	mapping, index, max, fbatch

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)

#define PAGEHINT_GET_FOLIO_TARGET	"filemap_get_entry"
/* Whether a task may sleep in it and then look a folio up. */
#define PAGEHINT_GET_FOLIO_SLEEPS	0
/* Whether it returns a folio that it has locked. */
#define PAGEHINT_GET_FOLIO_LOCKS	false
/* Whether filemap_fault() calls it itself, and whether this may be the first time. */
#define PAGEHINT_FAULT_CALLS_GET_FOLIO	0
#define PAGEHINT_GET_FOLIO_IS_FIRST	false
#define PAGEHINT_GET_FOLIO_PROTO	struct address_space *mapping, pgoff_t index
#define PAGEHINT_GET_FOLIO_ARGS		mapping, index

#define PAGEHINT_FAULT_AROUND_TARGET	"next_uptodate_folio"
#define PAGEHINT_FAULT_AROUND_PROTO	struct xa_state *xas, \
					struct address_space *mapping, pgoff_t end
#define PAGEHINT_FAULT_AROUND_ARGS	xas, mapping, end
/* On to the one behind the one that it returned. */
#define PAGEHINT_FAULT_AROUND_AGAIN	xas, mapping, end

#define PAGEHINT_COPY_TARGET		"folio_mc_copy"
#define PAGEHINT_COPY_SOURCE		1	/* which argument is the source */
#define PAGEHINT_COPY_DESTINATION	0

/* Their first argument is the folio: as a struct page, its first one. */
#define PAGEHINT_MAP_TARGET		"folio_add_file_rmap_ptes"
#define PAGEHINT_MAP_HUGE_TARGET	"folio_add_file_rmap_pmd"
#define PAGEHINT_LAZYFREE_TARGET	"folio_mark_lazyfree"
/* Its first argument is a page of the folio. */
#define PAGEHINT_SPLIT_TARGET		"split_huge_page_to_list_to_order"

/* There is no PG_error any more: who reads a page in keeps the result elsewhere. */
static inline bool pagehint_folio_has_error(struct folio *folio)
{
	return false;
}

/* Under the folio lock. Return: whether the folio left the cache. */
static inline bool pagehint_folio_remove(struct folio *folio)
{
	return !generic_error_remove_folio(folio->mapping, folio);
}

#else

#define PAGEHINT_GET_FOLIO_TARGET	"__filemap_get_folio"
#define PAGEHINT_GET_FOLIO_SLEEPS	1
#define PAGEHINT_GET_FOLIO_LOCKS	(flags & FGP_LOCK)
#define PAGEHINT_FAULT_CALLS_GET_FOLIO	1
#define PAGEHINT_GET_FOLIO_IS_FIRST	(!flags)
#define PAGEHINT_GET_FOLIO_PROTO	struct address_space *mapping, \
					pgoff_t index, int flags, gfp_t gfp
#define PAGEHINT_GET_FOLIO_ARGS		mapping, index, flags, gfp

#define PAGEHINT_FAULT_AROUND_TARGET	"next_uptodate_page"
#define PAGEHINT_FAULT_AROUND_PROTO	struct folio *folio, \
					struct address_space *mapping, \
					struct xa_state *xas, pgoff_t end
#define PAGEHINT_FAULT_AROUND_ARGS	folio, mapping, xas, end
/* A value entry, which it passes over: on to the next. */
#define PAGEHINT_FAULT_AROUND_AGAIN	xa_mk_value(0), mapping, xas, end

#define PAGEHINT_COPY_TARGET		"folio_migrate_mapping"
#define PAGEHINT_COPY_SOURCE		2
#define PAGEHINT_COPY_DESTINATION	1

#define PAGEHINT_MAP_TARGET		"page_add_file_rmap"
#define PAGEHINT_LAZYFREE_TARGET	"mark_page_lazyfree"
#define PAGEHINT_SPLIT_TARGET		"split_huge_page_to_list"

static inline bool pagehint_folio_has_error(struct folio *folio)
{
	return folio_test_error(folio);
}

static inline bool pagehint_folio_remove(struct folio *folio)
{
	return !generic_error_remove_page(folio->mapping, &folio->page);
}

#endif

/* Where an unmapping ends, whatever it was of: munmap, exit, madvise, truncation. */
#define PAGEHINT_UNMAP_TARGET		"tlb_finish_mmu"

/*
 * khugepaged and MADV_COLLAPSE copy page cache that they look up by themselves
 * (collapse_file), where file systems are read-only to it.
 */
#define PAGEHINT_COLLAPSES_FILES	IS_ENABLED(CONFIG_READ_ONLY_THP_FOR_FS)

/**
 * pagehint_folio_temperature - how warm the kernel holds a folio, 0 to 15
 * @folio: on the LRU
 *
 * Under the multi-generational LRU PG_active says nothing while a folio is on
 * the list; the number of accesses does, which it keeps in the flags too.
 */
static inline u8 pagehint_folio_temperature(struct folio *folio)
{
	u8 warm = folio_test_workingset(folio) ? 2 : 0;

	if (folio_test_referenced(folio))
		warm += 4;
#ifdef CONFIG_LRU_GEN
	if (folio_lru_gen(folio) >= 0)
		return warm + (folio_lru_refs(folio) ? 8 : 0);
#endif
	return warm + (folio_test_active(folio) ? 8 : 0);
}

#endif /* _PAGEHINT_COMPAT_PAGE_CACHE_H */

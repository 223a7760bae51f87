/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The reverse map: what mm/ does not export, and what differs between
 * architectures and kernels.
 *
 * 6.1: mm/rmap.c rmap_walk(), try_to_unmap(); mm/page_vma_mapped.c
 * page_vma_mapped_walk(); arch/x86/mm/pgtable.c ptep_test_and_clear_young().
 */
#ifndef _PAGEHINT_COMPAT_RMAP_H
#define _PAGEHINT_COMPAT_RMAP_H

#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pgtable.h>
#include <linux/rmap.h>
#include <linux/smp.h>
#include <linux/version.h>

#include <asm/tlbflush.h>

/* What mm/vmscan.c folio_isolate_lru() returns, and when it did nothing */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define PAGEHINT_ISOLATE_RESULT	int
#define PAGEHINT_STILL_ON_LRU	(-EBUSY)
#else
#define PAGEHINT_ISOLATE_RESULT	bool
#define PAGEHINT_STILL_ON_LRU	false
#endif

/**
 * pagehint_folio_is_held - has anybody but its page tables and we a reference?
 * @folio: anonymous, not in the swap cache, held by one reference
 *
 * The number of mappings of a large folio is not for modules to know: no is said.
 */
static inline bool pagehint_folio_is_held(struct folio *folio)
{
	return !folio_test_large(folio) &&
	       folio_ref_count(folio) != atomic_read(&folio->_mapcount) + 2;
}

/**
 * pagehint_folio_generation - where a folio stands on the multi-generational LRU
 * @folio: locked, so that its memory cgroup stays the same
 *
 * The kernel's aging clears young bits and moves to the youngest generation what
 * had one set. The flags have the number modulo MAX_NR_GENS, which comes around
 * fast; here it is as it counts since boot. A race with aging gives a number that
 * was not there before.
 *
 * Return: the generation; 0 when the folio is on another list.
 */
#ifdef CONFIG_LRU_GEN
static inline unsigned long pagehint_folio_generation(struct folio *folio)
{
	int generation = folio_lru_gen(folio);
	struct mem_cgroup *memcg = folio_memcg(folio);
	struct lruvec *lruvec = &folio_pgdat(folio)->__lruvec;
	unsigned long youngest;

	if (generation < 0)
		return 0;
#ifdef CONFIG_MEMCG
	if (memcg)
		lruvec = &memcg->nodeinfo[folio_nid(folio)]->lruvec;
#endif
	youngest = READ_ONCE(lruvec->lrugen.max_seq);
	return youngest - (youngest - generation) % MAX_NR_GENS;
}
#else
static inline unsigned long pagehint_folio_generation(struct folio *folio)
{
	return 0;
}
#endif

#ifdef CONFIG_X86

/*
 * x86's own is not exported. As there: the CPU sets the bit atomically, so only
 * the one bit is changed; translations that are cached stay valid.
 */
static inline bool pagehint_pte_clear_young(struct page_vma_mapped_walk *walk)
{
	return pte_young(*walk->pte) &&
	       test_and_clear_bit(_PAGE_BIT_ACCESSED, (unsigned long *)&walk->pte->pte);
}

static inline bool pagehint_pmd_clear_young(struct page_vma_mapped_walk *walk)
{
	return pmd_young(*walk->pmd) &&
	       test_and_clear_bit(_PAGE_BIT_ACCESSED, (unsigned long *)walk->pmd);
}

static inline void pagehint_flush_one(void *unused)
{
	__flush_tlb_all();
}

/*
 * A CPU that has a translation cached does not set the bit again. So that the
 * next look can believe what it sees, once for all that were cleared.
 *
 * Context: process, interrupts on.
 */
static inline void pagehint_young_flush(void)
{
	on_each_cpu(pagehint_flush_one, NULL, 1);
}

#else

/* Where the bit is kept by software the kernel's own function invalidates. */
static inline bool pagehint_pte_clear_young(struct page_vma_mapped_walk *walk)
{
	return ptep_test_and_clear_young(walk->vma, walk->address, walk->pte);
}

static inline bool pagehint_pmd_clear_young(struct page_vma_mapped_walk *walk)
{
	return pmdp_test_and_clear_young(walk->vma, walk->address, walk->pmd);
}

static inline void pagehint_young_flush(void) { }

#endif

#endif /* _PAGEHINT_COMPAT_RMAP_H */

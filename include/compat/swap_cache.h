/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The swap cache: names and types of the hooked functions, and what its users see.
 *
 * 6.1: mm/swap_state.c swap_cache_get_folio(), swapin_readahead(),
 * swap_cluster_readahead(), read_swap_cache_async(), delete_from_swap_cache();
 * mm/migrate.c folio_migrate_mapping(); mm/swapfile.c swp_swap_info(). Whoever wants
 * the content calls the first three from another file (mm/memory.c, mm/swapfile.c,
 * mm/shmem.c), so none of them is inlined there.
 *
 * Other kernels have other ways to it, which nobody has followed to their ends yet: there
 * PAGEHINT_SWAP_CACHE is not defined. Nor is it on s390x, where a frame without content
 * interrupts whoever touches it.
 */
#ifndef _PAGEHINT_COMPAT_SWAP_CACHE_H
#define _PAGEHINT_COMPAT_SWAP_CACHE_H

#include <linux/version.h>

#if defined(CONFIG_X86_64) && defined(CONFIG_SWAP) && \
	LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0) && \
	LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define PAGEHINT_SWAP_CACHE	1
#endif

#ifdef PAGEHINT_SWAP_CACHE

#include <linux/cgroup.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/swap.h>
#include <linux/swapops.h>

#define PAGEHINT_SWAP_GET_TARGET	"swap_cache_get_folio"
#define PAGEHINT_SWAP_GET_PROTO		swp_entry_t entry, \
					struct vm_area_struct *vma, \
					unsigned long address
#define PAGEHINT_SWAP_GET_ARGS		entry, vma, address

#define PAGEHINT_SWAP_IN_TARGET		"swapin_readahead"
#define PAGEHINT_SWAP_CLUSTER_TARGET	"swap_cluster_readahead"
#define PAGEHINT_SWAP_IN_PROTO		swp_entry_t entry, gfp_t gfp, \
					struct vm_fault *vmf
#define PAGEHINT_SWAP_IN_ARGS		entry, gfp, vmf

#define PAGEHINT_SWAP_MOVE_TARGET	"folio_migrate_mapping"
#define PAGEHINT_SWAP_MOVE_PROTO	struct address_space *mapping, \
					struct folio *newfolio, struct folio *folio, \
					int extra_count
#define PAGEHINT_SWAP_MOVE_ARGS		mapping, newfolio, folio, extra_count

#define PAGEHINT_SWAP_MAP_TARGET	"page_add_anon_rmap"

/*
 * Where a task may be asleep that then returns a folio to whoever wants its content. The
 * last is static: it may be a part of the first.
 */
#define PAGEHINT_SWAP_SLEEPERS \
	"swapin_readahead", "swap_cluster_readahead", "read_swap_cache_async", \
	"swap_vma_readahead"
#define PAGEHINT_NR_SWAP_SLEEPERS	4
#define PAGEHINT_NR_SWAP_SLEEPERS_MAY	1	/* of them may not be there */

/* Why the swap cache of a slot is left alone */
enum pagehint_swap_why_not {
	PAGEHINT_SWAP_MAY,		/* it is not */
	PAGEHINT_SWAP_CGROUP_V1,
	PAGEHINT_SWAP_IN_MEMORY,
	PAGEHINT_SWAP_BY_FILE_SYSTEM,
	PAGEHINT_SWAP_COMPRESSED,
	PAGEHINT_NR_SWAP_WHY_NOT,
};

/**
 * pagehint_swap_has_cgroup_v1 - does anybody but reclaim lose whose a slot is?
 *
 * With the controllers of cgroup v1, reclaim writes down whose the slot is when it frees
 * what is in the cache (mem_cgroup_swapout()); nobody else can.
 *
 * Context: any; may change at any time.
 */
static inline bool pagehint_swap_has_cgroup_v1(void)
{
#ifdef CONFIG_MEMCG
	return !cgroup_subsys_on_dfl(memory_cgrp_subsys);
#else
	return false;
#endif
}

/**
 * pagehint_swap_why_not - is the only way to read this slot again its disk?
 * @device: of the slot
 * @entry: the slot
 *
 * Not compressed in memory (zram, zswap): the copy is as large a part of the guest as what
 * would be dropped. Nor through a file system's own operations, which may come to need
 * memory, or a server, in ways that nobody has looked at.
 *
 * Context: any; the slot is in use.
 * Return: PAGEHINT_SWAP_MAY if it is.
 */
static inline enum pagehint_swap_why_not
pagehint_swap_why_not(struct swap_info_struct *device, swp_entry_t entry)
{
	/* Those that change while it is in use are others. */
	unsigned long flags = READ_ONCE(device->flags);

	if (pagehint_swap_has_cgroup_v1())
		return PAGEHINT_SWAP_CGROUP_V1;
	if (flags & SWP_SYNCHRONOUS_IO)
		return PAGEHINT_SWAP_IN_MEMORY;
	if (flags & SWP_FS_OPS)
		return PAGEHINT_SWAP_BY_FILE_SYSTEM;
#ifdef CONFIG_FRONTSWAP
	if (device->frontswap_map && test_bit(swp_offset(entry), device->frontswap_map))
		return PAGEHINT_SWAP_COMPRESSED;
#endif
	return PAGEHINT_SWAP_MAY;
}

/* Anybody may look, at any page. */
static inline bool pagehint_swap_may_qualify(const struct page *page)
{
	const unsigned long are = BIT(PG_swapcache) | BIT(PG_swapbacked) | BIT(PG_uptodate) |
				  BIT(PG_lru);
	const unsigned long none = BIT(PG_dirty) | BIT(PG_writeback) | BIT(PG_head) |
				   BIT(PG_locked);

	return (READ_ONCE(page->flags) & (are | none)) == are &&
	       atomic_read(&page->_mapcount) == -1;
}

#endif /* PAGEHINT_SWAP_CACHE */

#endif /* _PAGEHINT_COMPAT_SWAP_CACHE_H */

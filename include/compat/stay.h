/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every way to the content of a mapped folio that is not an access through the mapping
 * itself: names and types of the hooked functions.
 *
 * 6.1: mm/filemap.c filemap_read_folio(); mm/memory.c do_wp_page(); mm/gup.c
 * internal_get_user_pages_fast(), __get_user_pages(); mm/mlock.c mlock_folio();
 * mm/vmscan.c folio_isolate_lru(); mm/migrate.c folio_migrate_mapping().
 */
#ifndef _PAGEHINT_COMPAT_STAY_H
#define _PAGEHINT_COMPAT_STAY_H

#include <linux/mm.h>
#include <linux/pagemap.h>

#define PAGEHINT_READ_IN_TARGET		"filemap_read_folio"
#define PAGEHINT_READ_IN_PROTO		struct file *file, filler_t filler, \
					struct folio *folio
#define PAGEHINT_READ_IN_ARGS		file, filler, folio

#define PAGEHINT_WRITE_TARGET		"do_wp_page"

#define PAGEHINT_GUP_FAST_TARGET	"internal_get_user_pages_fast"
#define PAGEHINT_GUP_FAST_PROTO		unsigned long start, unsigned long nr_pages, \
					unsigned int gup_flags, struct page **pages

#define PAGEHINT_GUP_TARGET		"__get_user_pages"
#define PAGEHINT_GUP_PROTO		struct mm_struct *mm, unsigned long start, \
					unsigned long nr_pages, unsigned int gup_flags, \
					struct page **pages, struct vm_area_struct **vmas, \
					int *locked

/* Flags with which nobody may wait for another's folio lock */
#define PAGEHINT_GUP_FAST_NO_WAIT	(FOLL_FAST_ONLY | FOLL_NOFAULT)
#define PAGEHINT_GUP_NO_WAIT		(FOLL_NOWAIT | FOLL_NOFAULT)

#define PAGEHINT_MLOCK_TARGET		"mlock_folio"
#define PAGEHINT_ISOLATE_LRU_TARGET	"folio_isolate_lru"

#define PAGEHINT_MOVE_TARGET		"folio_migrate_mapping"
#define PAGEHINT_MOVE_PROTO		struct address_space *mapping, \
					struct folio *newfolio, struct folio *folio, \
					int extra_count
#define PAGEHINT_MOVE_ARGS		mapping, newfolio, folio, extra_count

#endif /* _PAGEHINT_COMPAT_STAY_H */

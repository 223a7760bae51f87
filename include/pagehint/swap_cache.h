/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Swap cache that the host may drop (parameter swapcache). docs/swap-cache.md
 *
 * A folio of the swap cache that is clean, unmapped and nobody's becomes volatile as page
 * cache does (module/commit.c). All else is different: one whose content is gone is never
 * marked not uptodate, which would be an error for ever to whoever wants it. It leaves the
 * swap cache, and is read again. And only who holds its lock makes it stable.
 *
 * A volatile folio with PG_swapbacked is one of these, whatever has become of it since.
 */
#ifndef _PAGEHINT_SWAP_CACHE_H
#define _PAGEHINT_SWAP_CACHE_H

#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/types.h>

#include <compat/swap_cache.h>
#include <pagehint/checks.h>
#include <pagehint/page_state.h>

/* Parameter: what is wanted. */
extern bool pagehint_swapcache;

#ifdef PAGEHINT_SWAP_CACHE

/**
 * enum pagehint_swap_found - what a folio of the swap cache is that was found
 * @PAGEHINT_SWAP_FOUND: what the entry stands for
 * @PAGEHINT_SWAP_GONE: was that until this call; the host had dropped its content
 * @PAGEHINT_SWAP_TAKEN: is not that, or not any more: somebody else took it out of the
 *	swap cache, and the slot may be free by now, or its device gone
 */
enum pagehint_swap_found {
	PAGEHINT_SWAP_FOUND,
	PAGEHINT_SWAP_GONE,
	PAGEHINT_SWAP_TAKEN,
};

/* module/swap_cache.c */
bool pagehint_swap_cache_on(void);
int pagehint_swap_cache_check(char *why);
int pagehint_swap_cache_start(void);
void pagehint_swap_cache_stop(void);
bool pagehint_swap_cache_wait(bool (*give_up)(void));
unsigned long pagehint_swap_cache_look(unsigned long pfn, unsigned long end);
void pagehint_swap_cache_find(unsigned long (*look)(unsigned long pfn, unsigned long end),
			      bool (*stopping)(void));
bool pagehint_swap_cache_may_go(struct folio *folio);
enum pagehint_swap_found pagehint_swap_cache_use(struct folio *folio, swp_entry_t entry);
enum pagehint_kept pagehint_swap_cache_settle(struct folio *folio);
enum pagehint_kept pagehint_swap_cache_make_stable(struct folio *folio);
bool pagehint_swap_cache_evict(struct folio *folio);
struct folio *pagehint_swap_cache_hold(unsigned long pfn);

/* probes/swap_cache.c */
int pagehint_swap_hooks_find(void);
int pagehint_swap_hooks_attach(void);
void pagehint_swap_hooks_detach(void);
void pagehint_swap_hooks_show(struct seq_file *m);

#else

static inline bool pagehint_swap_cache_on(void) { return false; }
static inline int pagehint_swap_cache_check(char *why)
{
	snprintf(why, PAGEHINT_WHY_BYTES,
		 "the swap cache of this kernel is not supported (Linux 6.1 on amd64 is)");
	return -EOPNOTSUPP;
}

static inline int pagehint_swap_cache_start(void) { return -EOPNOTSUPP; }
static inline void pagehint_swap_cache_stop(void) { }
static inline bool pagehint_swap_cache_wait(bool (*give_up)(void)) { return true; }
static inline unsigned long pagehint_swap_cache_look(unsigned long pfn, unsigned long end)
{
	return 0;
}

static inline void pagehint_swap_cache_find(unsigned long (*look)(unsigned long pfn,
								  unsigned long end),
					    bool (*stopping)(void)) { }
static inline bool pagehint_swap_cache_may_go(struct folio *folio) { return false; }
static inline enum pagehint_kept pagehint_swap_cache_make_stable(struct folio *folio)
{
	return PAGEHINT_WAS_STABLE;
}

static inline bool pagehint_swap_cache_evict(struct folio *folio) { return false; }
static inline struct folio *pagehint_swap_cache_hold(unsigned long pfn) { return NULL; }
static inline void pagehint_swap_hooks_show(struct seq_file *m) { }

#endif

#endif /* _PAGEHINT_SWAP_CACHE_H */

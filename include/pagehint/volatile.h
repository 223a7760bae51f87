/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page cache that the host may drop: a clean, unmapped folio that nobody holds
 * becomes volatile, and stable again when somebody finds it. Called by
 * probes/page_cache.c; the part that runs for every page read is inline.
 *
 * A folio, large or small, is one unit: each of its frames carries the state,
 * and the first one's decides.
 */
#ifndef _PAGEHINT_VOLATILE_H
#define _PAGEHINT_VOLATILE_H

#include <linux/mm.h>
#include <linux/pagevec.h>

#include <pagehint/page_state.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>

/* What commit left a folio out for; debugfs file "refused". */
enum pagehint_refusal {
	PAGEHINT_REFUSED_NOT_LRU,
	PAGEHINT_REFUSED_LOCKED,
	PAGEHINT_REFUSED_IN_USE,
	PAGEHINT_REFUSED_PRIVATE,
	PAGEHINT_REFUSED_DIRTY,
	PAGEHINT_REFUSED_WRITEBACK,
	PAGEHINT_REFUSED_NOT_UPTODATE,
	PAGEHINT_REFUSED_MAPPED,
	PAGEHINT_REFUSED_ANONYMOUS,
	PAGEHINT_REFUSED_LAZYFREE,
	PAGEHINT_REFUSED_UNEVICTABLE,
	PAGEHINT_REFUSED_FLAGS,
	PAGEHINT_REFUSED_NOT_REGULAR,
	PAGEHINT_REFUSED_FILE_SYSTEM,
	PAGEHINT_REFUSED_FILE,
	PAGEHINT_REFUSED_WRITE_ERROR,
	PAGEHINT_REFUSED_SWAP,
	PAGEHINT_REFUSED_OFFLINING,
	PAGEHINT_NR_REFUSALS,
	PAGEHINT_COMMITTED = PAGEHINT_NR_REFUSALS,
};

/*
 * Frames below this may be volatile: the end of the table while the getters are
 * hooked, else 0.
 */
extern unsigned long pagehint_volatile_end;

/**
 * pagehint_folio_is_stable - may the content be used?
 * @folio: held by a reference that was taken since the getters are hooked
 *
 * Context: any.
 * Return: false when pagehint_volatile_use() must be called first.
 */
static __always_inline bool pagehint_folio_is_stable(const struct folio *folio)
{
	unsigned long pfn = page_to_pfn(&folio->page);

	if (unlikely(pfn >= pagehint_volatile_end))
		return true;
	/* Acquire: pairs with recovered(): uptodate is read after this. */
	return smp_load_acquire(pagehint_table_byte(pfn)) == PAGEHINT_STABLE;
}

void pagehint_volatile_free_slow(unsigned long pfn, unsigned int order);

/**
 * pagehint_volatile_free - volatile frames may have been freed
 * @pfn: the first
 * @order: how many
 *
 * Only where free memory is not hinted: else they became unused.
 *
 * Context: any, NMI included; may spin on the host.
 */
static __always_inline void pagehint_volatile_free(unsigned long pfn, unsigned int order)
{
	if (unlikely(pfn >= pagehint_volatile_end) ||
	    (!order && likely(!pagehint_state_is_volatile(READ_ONCE(*pagehint_table_byte(pfn))))))
		return;
	pagehint_volatile_free_slow(pfn, order);
}

/* module/volatile.c */
int pagehint_volatile_check(char *why);
int pagehint_volatile_start(bool unused_too, bool stay, bool swap);
void pagehint_volatile_stop(void);
void pagehint_volatile_going_offline(unsigned long pfn, unsigned long nr_pages);
void pagehint_volatile_offline_done(void);
void pagehint_volatile_rescan(void);
int pagehint_volatile_set_file_systems(const char *names);
const char *pagehint_volatile_file_systems(void);
const char *pagehint_volatile_phase(void);

/* module/commit.c */
const char *pagehint_refusal_name(enum pagehint_refusal refusal);
enum pagehint_refusal pagehint_volatile_commit(unsigned long pfn);
enum pagehint_refusal pagehint_volatile_refuses_mapped(struct folio *folio);
struct folio *pagehint_folio_get(unsigned long pfn);

/* module/discard.c */
enum pagehint_kept pagehint_volatile_make_stable(struct folio *folio);
enum pagehint_kept pagehint_volatile_make_stable_locked(struct folio *folio);
bool pagehint_volatile_keep(struct folio *folio);
bool pagehint_volatile_use(struct folio *folio);

/* module/evict.c */
bool pagehint_volatile_is_dropped(const struct folio *folio);
bool pagehint_volatile_find_dropped(struct folio *folio);
void pagehint_volatile_settle(struct address_space *mapping,
			      struct folio_batch *fbatch);
void pagehint_volatile_evict_at(struct address_space *mapping, pgoff_t index);

/* module/sweep.c */
void pagehint_volatile_sweep(unsigned long pfn, unsigned long nr_frames);
void pagehint_volatile_each_dropped(void (*found)(unsigned long pfn),
				    bool (*give_up)(void));
void pagehint_volatile_evict(unsigned long pfn);

/* module/candidates.c */
extern int pagehint_candidates_unmapped;
int pagehint_candidates_open(void);
void pagehint_candidates_close(void);
void pagehint_candidate(unsigned long pfn);
void pagehint_candidate_later(unsigned long pfn);
bool pagehint_candidate_mapped(unsigned long pfn);
void pagehint_candidates_all(void);
void pagehint_candidates_each(bool later, void (*look)(unsigned long pfn));
void pagehint_candidates_mapped_each(bool (*look)(unsigned long pfn), bool (*stopping)(void));
bool pagehint_candidates_mapped_some(unsigned long (*gone)(unsigned long pfn,
							   unsigned long bits));

/* module/unmapped.c */
void pagehint_unmapped_look(bool anyhow, bool (*goes_offline)(unsigned long pfn));

/* module/unhooked.c */
int pagehint_unhooked_open(void);
bool pagehint_unhooked_wait(unsigned long begin, bool (*give_up)(void));
unsigned long pagehint_symbol_size(unsigned long address);

/* probes/page_cache.c */
unsigned long pagehint_sleeping_getter(void);
void pagehint_fault_open(void);

/* Parameters, set by module/parameters.c. */
extern unsigned int pagehint_volatile_delay_ms;
extern unsigned int pagehint_volatile_batch;
extern bool pagehint_volatile_evicts;

#endif /* _PAGEHINT_VOLATILE_H */

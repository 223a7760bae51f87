// SPDX-License-Identifier: GPL-2.0
/*
 * Idle mapped pages of files are unmapped, so that they can become volatile.
 *
 * Which: every folio that a commit refused because it was mapped is remembered
 * (one bit per frame, module/candidates.c), so no look is wasted on memory that
 * is no mapped page cache. Every period each of them is looked at: were the young
 * bits of its page table entries set since? Twice in a row not, and it is
 * unmapped, as reclaim would do, and then is a candidate like all others. The
 * next access is a minor fault, through a getter that is hooked.
 *
 * So nothing here is about what the host may drop: a folio becomes volatile by
 * the ordinary commit, while it is unmapped.
 *
 * The kernel's own folio_referenced() would not do: under the multi-generational
 * LRU it clears the young bits of the neighbours too, and promotes them, which
 * cannot be seen afterwards; the hot text around a hot page would look idle. What
 * that LRU's own aging clears shows in a folio's generation.
 *
 * Memory that a program gave up with MADV_FREE is looked at in the same way, and
 * then freed (module/lazyfree.c).
 *
 * Hot pages that look idle cost a minor fault each, so the faults bound how much
 * is unmapped: whatever comes back is left alone for longer, and when too much
 * of what was unmapped lately does, less is unmapped.
 *
 * Context: the thread that commits (module/volatile.c); a look holds commit_mutex, as a
 * commit does.
 *
 * Lock order: commit_mutex > folio lock, which is tried > i_mmap_rwsem or anon_vma lock >
 * page table lock; from the second on as in mm/rmap.c.
 */
#include <pagehint/log.h>

#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/swap.h>
#include <linux/vmalloc.h>

#include <compat/call.h>
#include <compat/rmap.h>
#include <pagehint/checks.h>
#include <pagehint/control.h>
#include <pagehint/hooks.h>
#include <pagehint/lazyfree.h>
#include <pagehint/mapped.h>
#include <pagehint/table.h>
#include <pagehint/volatile.h>

#include "trace.h"

bool pagehint_mapped;
unsigned int pagehint_mapped_period_ms = 2000;

/* Looks in a row that found a folio idle before it is unmapped; and if it came back once. */
#define IDLE_LOOKS		2
#define IDLE_LOOKS_AGAIN	8
/* In @idle: unmapped here */
#define UNMAPPED		15

/* Folios unmapped in a round */
#define MOST_UNMAPS		16384UL
#define FEWEST_UNMAPS		16UL
/* When more than one of so many comes back, there are fewer. */
#define TOLERATED_SHARE		4

/*
 * What is known of a folio, at its first frame; the thread's alone, so no lock. It
 * outlives the folio: that a frame came back may be said of its next one, which then
 * is left alone for longer.
 */
struct past {
	u16 idle:4;
	u16 came_back:1;
	u16 generation:11;	/* its last bits */
};

#define GENERATION_MASK		0x7ff

static_assert(sizeof(struct past) == 2);

static struct past *pasts;
static unsigned long nr_pasts;
static unsigned long next_round;
static unsigned long budget = MOST_UNMAPS;	/* of a round */
static unsigned long left;			/* in this round */
static unsigned long lately;			/* unmapped, of late rounds less */
static unsigned long came_back;			/* since the last round */
static u64 faults_seen;
static bool cleared;				/* a young bit, in this round */

static void no_walk(struct folio *folio, struct rmap_walk_control *control)
{
}

static bool no_mapping(struct page_vma_mapped_walk *walk)
{
	return false;
}

static void no_unmap(struct folio *folio, enum ttu_flags flags)
{
}

PAGEHINT_CALL_DEFINE(rmap_walk_call, no_walk);
PAGEHINT_CALL_DEFINE(mapped_walk_call, no_mapping);
PAGEHINT_CALL_DEFINE(try_to_unmap_call, no_unmap);

/*
 * mm/rmap.c folio_lock_anon_vma_read(): without mmap_lock nothing else keeps an
 * anon_vma from being freed. The kernel takes its address as we do, so that under IBT
 * it may be called by it.
 */
static typeof(((struct rmap_walk_control *)0)->anon_lock) anon_lock;

/* ------------------------------------------------------------------------
 * One look
 */

enum use {
	IDLE,
	YOUNG,
	/* Written to, and not yet known to be */
	WRITTEN,
	/* Locked in memory, or seen by another MMU */
	HELD,
};

/*
 * A mapping that is locked in memory stays, large folios included, of which
 * try_to_unmap() could have taken some pages before it meets the lock. So does
 * one that another MMU (of a guest of this guest) looks through: whether that one
 * uses it is not seen here.
 */
static bool look_at_mapping(struct folio *folio, struct vm_area_struct *vma,
			    unsigned long address, void *argument)
{
	struct page_vma_mapped_walk walk = {
		.pfn = folio_pfn(folio),
		.nr_pages = folio_nr_pages(folio),
		.pgoff = folio->index,
		.vma = vma,
		.address = address,
	};
	enum use *use = argument;

	while (PAGEHINT_CALL(mapped_walk_call)(&walk)) {
		bool dirty = walk.pte ? pte_dirty(*walk.pte) : pmd_dirty(*walk.pmd);

		/* To the end, which gives the page table back. */
		if ((vma->vm_flags & VM_LOCKED) || mm_has_notifiers(vma->vm_mm))
			*use = HELD;
		else if (dirty)
			*use = WRITTEN;
		if (*use >= WRITTEN)
			continue;
		if (walk.pte ? pagehint_pte_clear_young(&walk) : pagehint_pmd_clear_young(&walk))
			*use = YOUNG;
	}
	return *use < WRITTEN;
}

static enum use look_at(struct folio *folio)
{
	enum use use = IDLE;
	struct rmap_walk_control control = {
		.arg = &use,
		.rmap_one = look_at_mapping,
		.anon_lock = anon_lock,
		.try_lock = true,
	};

	PAGEHINT_CALL(rmap_walk_call)(folio, &control);
	if (control.contended)
		return HELD;
	if (use == YOUNG && pagehint_left_out("mapped_young"))
		return IDLE;
	if (use == YOUNG) {
		cleared = true;
		/* Reclaim would have seen the bit. */
		folio_mark_accessed(folio);
	}
	return use;
}

/**
 * pagehint_try_to_unmap - unmap a folio as reclaim does
 * @folio: locked, held by one reference; anonymous: off the LRU, not to be swapped
 *
 * Never with TTU_BATCH_FLUSH, which lets go of references before the TLBs are
 * flushed.
 *
 * Context: the thread.
 */
void pagehint_try_to_unmap(struct folio *folio)
{
	enum ttu_flags flags = TTU_SYNC;

	/* Or else the kernel takes the entry for one of a page table. */
	if (!pagehint_left_out("mapped_split"))
		flags |= TTU_SPLIT_HUGE_PMD;
	PAGEHINT_CALL(try_to_unmap_call)(folio, flags);
}

static void unmap(struct folio *folio, struct past *past)
{
	unsigned long pfn = folio_pfn(folio);

	pagehint_try_to_unmap(folio);
	left--;
	if (folio_mapped(folio))
		return;
	past->idle = UNMAPPED;
	lately++;
	pagehint_count(PAGEHINT_MAPPED_UNMAPPED, folio_nr_pages(folio));
	trace_pagehint_unmap(pfn, folio_nr_pages(folio));
	/* Nothing else says so: the hook where unmapping ends is not for this. */
	pagehint_candidate(pfn);
}

/* Under the folio lock. Return: whether it is still worth looking at. */
static bool look_locked(struct folio *folio, struct past *past)
{
	u16 generation = pagehint_folio_generation(folio) & GENERATION_MASK;
	bool lazyfree = false;
	enum use use;

	switch (pagehint_volatile_refuses_mapped(folio)) {
	case PAGEHINT_REFUSED_MAPPED:
		if (!READ_ONCE(pagehint_mapped))
			return true;
		break;
	case PAGEHINT_REFUSED_LAZYFREE:
		if (!pagehint_lazyfree_may_go(folio))
			return false;
		lazyfree = true;
		break;
	/* These pass, without an event that would bring it back here. */
	case PAGEHINT_REFUSED_UNEVICTABLE:
		pagehint_count(PAGEHINT_MAPPED_HELD, 1);
		return true;
	case PAGEHINT_REFUSED_DIRTY:
	case PAGEHINT_REFUSED_WRITEBACK:
	case PAGEHINT_REFUSED_NOT_UPTODATE:
		return true;
	case PAGEHINT_COMMITTED:
		/* Unmapped meanwhile */
		pagehint_candidate(folio_pfn(folio));
		return false;
	default:
		return false;
	}
	if (past->idle == UNMAPPED)
		past->idle = 0;
	use = look_at(folio);
	pagehint_count(PAGEHINT_MAPPED_LOOKED, 1);
	if (use == WRITTEN && lazyfree)
		return false;
	if (use >= WRITTEN)
		pagehint_count(PAGEHINT_MAPPED_HELD, 1);
	if (use == YOUNG)
		pagehint_count(PAGEHINT_MAPPED_YOUNG, 1);
	if (use != IDLE || (generation != past->generation &&
			    !pagehint_left_out("mapped_generation"))) {
		past->idle = 0;
		past->generation = generation;
		return true;
	}
	if (past->idle < IDLE_LOOKS_AGAIN)
		past->idle++;
	if (lazyfree)
		return past->idle < IDLE_LOOKS || pagehint_lazyfree_free(folio);
	if (past->idle >= (past->came_back ? IDLE_LOOKS_AGAIN : IDLE_LOOKS) && left)
		unmap(folio, past);
	return true;
}

/**
 * pagehint_mapped_look - look at one frame that was mapped
 * @pfn: the first of a folio then; anything may be there by now
 *
 * Context: the thread, under commit_mutex, so that the frame does not go offline; may
 * sleep.
 * Return: whether it is still worth looking at.
 */
bool pagehint_mapped_look(unsigned long pfn)
{
	struct past *past = &pasts[pfn];
	struct folio *folio;
	bool again = true;

	/* Free by now, or volatile. */
	if (READ_ONCE(*pagehint_table_byte(pfn)) != PAGEHINT_STABLE) {
		if (past->idle != UNMAPPED)
			*past = (struct past){ 0 };
		return false;
	}
	folio = pagehint_folio_get(pfn);
	if (!folio) {
		/* Isolated perhaps, and then back soon. */
		pagehint_candidate(pfn);
		return false;
	}
	if (folio_trylock(folio)) {
		again = look_locked(folio, past);
		folio_unlock(folio);
	}
	folio_put(folio);
	return again;
}

/* ------------------------------------------------------------------------
 * Rounds
 */

/**
 * pagehint_mapped_found - a commit refused a folio because it is mapped
 * @pfn: its first frame
 * @file: of a file; else memory given up with MADV_FREE
 *
 * What is known of an earlier mapping does not count for this one, but that it was
 * unmapped here.
 *
 * Context: the thread.
 */
void pagehint_mapped_found(unsigned long pfn, bool file)
{
	bool is_new = pagehint_candidate_mapped(pfn);
	struct past *past;

	if (!pasts || pfn >= nr_pasts)
		return;
	past = &pasts[pfn];
	if (file && past->idle == UNMAPPED) {
		past->idle = 0;
		past->came_back = 1;
		came_back++;
		pagehint_count(PAGEHINT_MAPPED_CAME_BACK, 1);
	} else if (is_new && past->idle != UNMAPPED) {
		*past = (struct past){ 0 };
	}
}

/**
 * pagehint_mapped_end - forget; the thread ends, or the parameter was switched off
 *
 * Context: the thread.
 */
void pagehint_mapped_end(void)
{
	vfree(pasts);
	pasts = NULL;
	nr_pasts = 0;
}

static bool begin(void)
{
	if (pasts)
		return true;
	pasts = vzalloc(pagehint_table.nr_bytes * sizeof(*pasts));
	if (!pasts) {
		pr_err("no memory to watch mapped pages (%lu KiB): mapped=0 and lazyfree=0 now; free some and write 1 to them\n",
		       pagehint_table.nr_bytes * sizeof(*pasts) >> 10);
		WRITE_ONCE(pagehint_mapped, false);
		WRITE_ONCE(pagehint_lazyfree, false);
		return false;
	}
	nr_pasts = pagehint_table.nr_bytes;
	budget = MOST_UNMAPS;
	lately = 0;
	came_back = 0;
	faults_seen = pagehint_counter_sum(PAGEHINT_FAULTED_GONE);
	return true;
}

/*
 * What came back: pages that were mapped again, and pages that the host had
 * dropped meanwhile and somebody faulted in.
 */
static void adjust_budget(void)
{
	u64 faults = pagehint_counter_sum(PAGEHINT_FAULTED_GONE);

	came_back += faults - faults_seen;
	faults_seen = faults;
	if (came_back * TOLERATED_SHARE > lately)
		budget = max(budget / 4, FEWEST_UNMAPS);
	else
		budget = min(budget * 2, MOST_UNMAPS);
	came_back = 0;
	lately -= lately / 4;
}

/**
 * pagehint_mapped_round - look at what is mapped, if it is time
 * @look: pagehint_mapped_look() under commit_mutex
 * @stopping: true: come to an end
 *
 * Context: the thread; may sleep.
 */
void pagehint_mapped_round(bool (*look)(unsigned long pfn), bool (*stopping)(void))
{
	if (!READ_ONCE(pagehint_mapped) && !READ_ONCE(pagehint_lazyfree)) {
		pagehint_mapped_end();
		return;
	}
	if ((pasts && time_before(jiffies, next_round)) || !begin())
		return;
	next_round = jiffies + msecs_to_jiffies(READ_ONCE(pagehint_mapped_period_ms));
	adjust_budget();
	left = budget;
	pagehint_lazyfree_round();
	cleared = false;
	pagehint_candidates_mapped_each(look, stopping);
	if (cleared && !pagehint_left_out("mapped_flush"))
		pagehint_young_flush();
}

/**
 * pagehint_mapped_check - can mapped pages be unmapped on this kernel?
 * @why: the sentence if not; PAGEHINT_WHY_BYTES
 *
 * Context: process, at load.
 * Return: 0 or -EOPNOTSUPP.
 */
int pagehint_mapped_check(char *why)
{
	struct pagehint_symbol rmap = { .name = "rmap_walk" };
	struct pagehint_symbol mapped = { .name = "page_vma_mapped_walk" };
	struct pagehint_symbol unmap = { .name = "try_to_unmap" };
	struct pagehint_symbol lock = { .name = "folio_lock_anon_vma_read" };
	struct pagehint_symbol *symbols[] = { &rmap, &mapped, &unmap, &lock };
	unsigned int i;

	if (pagehint_resolve(symbols, ARRAY_SIZE(symbols)))
		return -EOPNOTSUPP;
	for (i = 0; i < ARRAY_SIZE(symbols); i++) {
		if (symbols[i]->definitions == 1)
			continue;
		snprintf(why, PAGEHINT_WHY_BYTES,
			 "%s was expected once in this kernel and found %u times",
			 symbols[i]->name, symbols[i]->definitions);
		return -EOPNOTSUPP;
	}
	PAGEHINT_CALL_SET(rmap_walk_call, rmap.address);
	PAGEHINT_CALL_SET(mapped_walk_call, mapped.address);
	PAGEHINT_CALL_SET(try_to_unmap_call, unmap.address);
	anon_lock = (typeof(anon_lock))lock.address;
	return 0;
}

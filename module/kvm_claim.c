// SPDX-License-Identifier: GPL-2.0
/*
 * Backend kvm, free memory: blocks are taken off the free lists, the host is told,
 * and they are put back, as mm/page_reporting.c does. While the host drops them
 * nobody can allocate them; when they are back the host is done with them. So no
 * hint can come late, whatever becomes of a frame, and nothing has to be undone.
 *
 * The events of module/unused.c only tell which frames are free and not hinted:
 * U. A frame that was hinted is U|ABSENT until it is allocated, or freed again.
 *
 * What others see: a claimed block is on no list and has no reference, as one that
 * compaction isolated; its frames are S. Offlining and contiguous allocation find
 * it busy, and try again. Memory that is free is short by the batch meanwhile, by
 * at most 1/32 of what the zone has free, and only above its low watermark.
 *
 * Locks: zone->lock to claim and to put back; none during the call.
 *
 * Context: the worker.
 */
#include <pagehint/log.h>

#include <linux/gfp.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/page-isolation.h>
#include <linux/pageblock-flags.h>
#include <linux/sched.h>
#include <linux/vmstat.h>

#include <compat/call.h>
#include <compat/mm.h>
#include <pagehint/control.h>
#include <pagehint/hooks.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>

#include "kvm.h"

/* Of the free memory of a zone, so much is claimed at a time. */
#define CLAIMED_PART	32

static int no_isolate(struct page *page, unsigned int order)
{
	return 0;
}

static void no_putback(struct page *page, unsigned int order, int migratetype)
{
}

static unsigned long no_flags(const struct page *page, unsigned long pfn, unsigned long mask)
{
	return 0;
}

/* With their hooks, ours among them: so the table follows. */
PAGEHINT_CALL_DEFINE(isolate_free_page, no_isolate);
PAGEHINT_CALL_DEFINE(putback_isolated_page, no_putback);
PAGEHINT_CALL_DEFINE(pageblock_flags, no_flags);

/* The batch. */
static struct pagehint_vector vector;
static struct zone *claimed_zone;
static unsigned long claimed_frames;
static unsigned int nr_claimed;
static struct {
	struct page *page;
	unsigned int order;
	unsigned long fresh;
} claimed[PAGEHINT_VECTOR_MAX];

static int migratetype_of(struct page *page)
{
	return PAGEHINT_CALL(pageblock_flags)(page, page_to_pfn(page), MIGRATETYPE_MASK);
}

/* All or nothing: the marks say that the host was told of all of the block. */
static void put_back(unsigned int i, bool told)
{
	struct page *page = claimed[i].page;
	unsigned int order = claimed[i].order;
	unsigned long nr = 1UL << order;

	/* It may have changed since: the pageblock is being isolated, perhaps. */
	if (!pagehint_left_out("kvm_claim"))
		PAGEHINT_CALL(putback_isolated_page)(page, order, migratetype_of(page));
	/* zone->lock keeps the block from being allocated before this. */
	if (told) {
		pagehint_vector_hinted(pagehint_table_byte(page_to_pfn(page)), nr);
		pagehint_count(PAGEHINT_HINTED, claimed[i].fresh);
	}
	pagehint_count(PAGEHINT_CLAIMED, nr);
	pagehint_count(PAGEHINT_CLAIMED_AGAIN, nr - claimed[i].fresh);
}

/**
 * pagehint_kvm_claim_flush - tell the host of what is claimed, and put it back
 *
 * Context: the worker; not under zone->lock.
 */
void pagehint_kvm_claim_flush(void)
{
	unsigned long flags;
	unsigned int i;
	bool told;

	if (!nr_claimed)
		return;
	told = pagehint_kvm_say(PAGEHINT_HC_SET_STATE, &vector) == vector.nr;
	spin_lock_irqsave(&claimed_zone->lock, flags);
	for (i = 0; i < nr_claimed; i++)
		put_back(i, told);
	spin_unlock_irqrestore(&claimed_zone->lock, flags);
	nr_claimed = 0;
	claimed_frames = 0;
	vector.nr = 0;
}

/* Under zone->lock. A block that is larger than the budget goes by itself. */
static bool within_budget(struct zone *zone, unsigned long nr_frames)
{
	unsigned long free = zone_page_state(zone, NR_FREE_PAGES);

	if (free < low_wmark_pages(zone) + nr_frames)
		return false;
	return !claimed_frames || claimed_frames + nr_frames <= free / CLAIMED_PART;
}

/* Under zone->lock; @page is a free block. Returns false when there is no room. */
static bool claim_block(struct zone *zone, struct page *page, unsigned int order)
{
	unsigned long pfn = page_to_pfn(page), nr = 1UL << order;
	unsigned int unit = min(pagehint_kvm_min_order(), order);
	struct pagehint_vector before = vector;
	struct pagehint_hc_entry last = { 0 };

	if (nr_claimed && (zone != claimed_zone || nr_claimed == vector.max))
		return false;
	if (!within_budget(zone, nr))
		return !nr_claimed;
	if (vector.nr)
		last = vector.entries[vector.nr - 1];
	if (!pagehint_vector_block(&vector, pfn, nr, 1UL << unit, &claimed[nr_claimed].fresh))
		return vector.nr < vector.max;
	if (!pagehint_left_out("kvm_claim") && !PAGEHINT_CALL(isolate_free_page)(page, order)) {
		vector = before;
		if (vector.nr)
			vector.entries[vector.nr - 1] = last;
		return true;
	}
	claimed_zone = zone;
	claimed[nr_claimed].page = page;
	claimed[nr_claimed].order = order;
	nr_claimed++;
	claimed_frames += nr;
	return true;
}

/* Of eight frames, any that is free and not hinted? Bit 0 alone. */
static bool is_any_fresh(u64 word)
{
	const u64 low = 0x0101010101010101ULL;

	return word & ~(word >> 1) & ~(word >> 2) & ~(word >> 3) & low;
}

/* The next frame that is free and that the host was not told of, or @end. */
static unsigned long next_fresh(unsigned long pfn, unsigned long end)
{
	while (pfn < end) {
		const u8 *byte = pagehint_table_byte(pfn);

		if (IS_ALIGNED(pfn, 8) && pfn + 8 <= end &&
		    !is_any_fresh(READ_ONCE(*(const u64 *)byte)))
			pfn += 8;
		else if (READ_ONCE(*byte) != PAGEHINT_UNUSED)
			pfn++;
		else
			break;
	}
	return pfn;
}

/*
 * The free block that a frame lies in, if it is worth a hint. Without zone->lock it is a
 * guess. A frame on a CPU's list is free, too, and in no block.
 */
static struct page *block_of(unsigned long pfn, unsigned int *order)
{
	unsigned int i;

	for (i = 0; i <= PAGEHINT_MAX_BUDDY_ORDER; i++) {
		unsigned long head = round_down(pfn, 1UL << i);
		struct page *page = pfn_to_page(head);

		if (!PageBuddy(page))
			continue;
		*order = READ_ONCE(page->private);
		if (*order < i || *order > PAGEHINT_MAX_BUDDY_ORDER ||
		    *order < pagehint_kvm_min_order() || !pagehint_table_covers(head))
			return NULL;
		return page;
	}
	return NULL;
}

/* A block may be of two pageblocks or more: none of them is one that the host refuses. */
static bool may_claim(struct page *page, unsigned int order)
{
	unsigned long pfn = page_to_pfn(page), end = pfn + (1UL << order);

	if (is_migrate_isolate(migratetype_of(page)))
		return false;
	for (; pfn < end; pfn += pageblock_nr_pages) {
		if (pagehint_kvm_is_refused(pfn))
			return false;
	}
	return true;
}

/* All of it lies in one zone. Returns the frame to go on with. */
static unsigned long claim_in_pageblock(unsigned long pfn, unsigned long end)
{
	struct zone *zone = page_zone(pfn_to_page(pfn));
	unsigned long flags;
	unsigned int order;
	struct page *page;

	spin_lock_irqsave(&zone->lock, flags);
	/* Under the lock: memory does not go offline with a block of it free. */
	if (!pfn_to_online_page(pfn) || is_migrate_isolate(migratetype_of(pfn_to_page(pfn))))
		pfn = end;
	while ((pfn = next_fresh(pfn, end)) < end) {
		page = block_of(pfn, &order);
		if (!page || page_zone(page) != zone || !may_claim(page, order)) {
			pfn++;
			continue;
		}
		if (!claim_block(zone, page, order))
			break;
		pfn = page_to_pfn(page) + (1UL << order);
	}
	spin_unlock_irqrestore(&zone->lock, flags);
	return pfn;
}

static bool is_worth_a_lock(unsigned long pfn, unsigned long end)
{
	unsigned int order;

	for (; (pfn = next_fresh(pfn, end)) < end; pfn++) {
		if (block_of(pfn, &order))
			return true;
	}
	return false;
}

/**
 * pagehint_kvm_claim - claim what is free and not hinted
 * @pfn: first frame
 * @end: behind the last; of a range of the table
 *
 * When a batch is full the host is told.
 */
void pagehint_kvm_claim(unsigned long pfn, unsigned long end)
{
	while (pfn < end) {
		unsigned long next = min(round_down(pfn, pageblock_nr_pages) +
					 pageblock_nr_pages, end);

		if (!nr_claimed)
			vector.max = pagehint_kvm_entries();
		vector.table = pagehint_table.bytes;
		if (!pfn_to_online_page(pfn) || pagehint_kvm_is_refused(pfn) ||
		    !is_worth_a_lock(pfn, next)) {
			pfn = next;
			continue;
		}
		pfn = claim_in_pageblock(pfn, next);
		if (pfn < next) {
			pagehint_kvm_claim_flush();
			cond_resched_tasks_rcu_qs();
		}
		if (!pagehint_kvm_connected())
			break;
	}
}

/**
 * pagehint_kvm_claim_close - undo pagehint_kvm_claim_open()
 */
void pagehint_kvm_claim_close(void)
{
	free_page((unsigned long)vector.entries);
	vector.entries = NULL;
}

/**
 * pagehint_kvm_claim_open - find what claims and puts back
 * @why: the sentence when it fails
 *
 * Return: 0 or an error.
 */
int pagehint_kvm_claim_open(char *why)
{
	struct pagehint_symbol isolate = { .name = "__isolate_free_page" };
	struct pagehint_symbol putback = { .name = "__putback_isolated_page" };
	struct pagehint_symbol block_flags = { .name = "get_pfnblock_flags_mask" };
	struct pagehint_symbol *symbols[] = { &isolate, &putback, &block_flags };
	unsigned int i;
	int err;

	err = pagehint_fail_point() ?: pagehint_resolve(symbols, ARRAY_SIZE(symbols));
	for (i = 0; i < ARRAY_SIZE(symbols); i++) {
		if (err || symbols[i]->definitions != 1) {
			snprintf(why, PAGEHINT_WHY_BYTES,
				 "%s is not in this kernel: this kernel build is not supported, report its version",
				 symbols[i]->name);
			return err ?: -ENOENT;
		}
	}
	vector.entries = (void *)get_zeroed_page(GFP_KERNEL);
	if (!vector.entries) {
		snprintf(why, PAGEHINT_WHY_BYTES, "no memory: free some and load again");
		return -ENOMEM;
	}
	PAGEHINT_CALL_SET(isolate_free_page, isolate.address);
	PAGEHINT_CALL_SET(putback_isolated_page, putback.address);
	PAGEHINT_CALL_SET(pageblock_flags, block_flags.address);
	return 0;
}

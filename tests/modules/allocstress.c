// SPDX-License-Identifier: GPL-2.0
/*
 * Test module: takes memory on the two ways out of the page allocator that
 * user space cannot steer, alloc_contig_range() and alloc_pages_bulk_array(),
 * one kernel thread each, in a loop. Every page is filled with a pattern that
 * is never zero, kept for a while, and verified before it is freed. Counts are
 * in /sys/module/allocstress/parameters.
 */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/random.h>

#define CONTIG_MAX	2048	/* pages: 8 MiB */
#define BULK_PAGES	64

static unsigned int hold_ms = 20;
module_param(hold_ms, uint, 0444);
MODULE_PARM_DESC(hold_ms, "time between fill and verification in milliseconds (default 20)");

static ulong contig_taken;
module_param(contig_taken, ulong, 0444);
MODULE_PARM_DESC(contig_taken, "ranges taken by alloc_contig_range (read only)");

static ulong contig_refused;
module_param(contig_refused, ulong, 0444);
MODULE_PARM_DESC(contig_refused, "ranges that alloc_contig_range could not have (read only)");

static ulong bulk_taken;
module_param(bulk_taken, ulong, 0444);
MODULE_PARM_DESC(bulk_taken, "pages taken by alloc_pages_bulk_array (read only)");

static ulong mismatches;
module_param(mismatches, ulong, 0444);
MODULE_PARM_DESC(mismatches, "words that did not hold what was written (read only)");

static struct task_struct *contig_task;
static struct task_struct *bulk_task;

/* Odd, so never zero; differs by frame, by word and by round. */
static u64 pattern(unsigned long pfn, unsigned int word, u64 seed)
{
	return ((((u64)pfn << 12) | (word << 3)) * 0x9e3779b97f4a7c15ULL ^ seed) | 1;
}

static void fill(struct page *page, u64 seed)
{
	u64 *words = kmap_local_page(page);
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / sizeof(*words); i++)
		words[i] = pattern(page_to_pfn(page), i, seed);
	kunmap_local(words);
}

static void verify(struct page *page, u64 seed, const char *way)
{
	u64 *words = kmap_local_page(page);
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / sizeof(*words); i++) {
		u64 expected = pattern(page_to_pfn(page), i, seed);

		if (words[i] == expected)
			continue;
		if (!mismatches)
			pr_err("allocstress: %s: pfn %#lx word %u: expected %#llx, found %#llx\n",
			       way, page_to_pfn(page), i, expected, words[i]);
		WRITE_ONCE(mismatches, mismatches + 1);
	}
	kunmap_local(words);
}

/*
 * Whether the frames of a range can be had is for alloc_contig_range() to say;
 * it asks of its caller only that the range is online memory of one zone.
 */
static bool range_is_plausible(unsigned long start, unsigned long nr)
{
	struct page *first = pfn_to_online_page(start);
	struct page *last = pfn_to_online_page(start + nr - 1);

	return first && last && page_zone(first) == page_zone(last) &&
	       !PageReserved(first) && !PageReserved(last);
}

static void contig_round(void)
{
	unsigned long nr = 1 + get_random_u32() % CONTIG_MAX;
	unsigned long start = get_random_u64() % get_num_physpages();
	u64 seed = get_random_u64();
	unsigned long i;

	if (!range_is_plausible(start, nr))
		return;
	if (alloc_contig_range(start, start + nr, MIGRATE_MOVABLE,
			       GFP_KERNEL | __GFP_NOWARN)) {
		WRITE_ONCE(contig_refused, contig_refused + 1);
		return;
	}
	for (i = 0; i < nr; i++)
		fill(pfn_to_page(start + i), seed);
	msleep(hold_ms);
	for (i = 0; i < nr; i++)
		verify(pfn_to_page(start + i), seed, "alloc_contig_range");
	free_contig_range(start, nr);
	WRITE_ONCE(contig_taken, contig_taken + 1);
}

static int contig_loop(void *unused)
{
	while (!kthread_should_stop()) {
		contig_round();
		cond_resched();
	}
	return 0;
}

/*
 * The array is handed over with every third entry filled already, as callers
 * that refill do: those pages come back untouched, content included.
 */
static void bulk_round(struct page **pages)
{
	unsigned long filled, i;
	u64 seed = get_random_u64();

	for (i = 0; i < BULK_PAGES; i++)
		pages[i] = NULL;
	for (i = 0; i < BULK_PAGES; i += 3) {
		pages[i] = alloc_page(GFP_KERNEL | __GFP_NOWARN);
		if (pages[i])
			fill(pages[i], seed);
	}
	filled = alloc_pages_bulk_array(GFP_KERNEL | __GFP_NOWARN, BULK_PAGES, pages);
	for (i = 0; i < BULK_PAGES; i++)
		if (pages[i] && i % 3)
			fill(pages[i], seed);
	msleep(hold_ms);
	for (i = 0; i < BULK_PAGES; i++) {
		if (!pages[i])
			continue;
		verify(pages[i], seed, "alloc_pages_bulk_array");
		__free_page(pages[i]);
	}
	WRITE_ONCE(bulk_taken, bulk_taken + filled);
}

static int bulk_loop(void *unused)
{
	static struct page *pages[BULK_PAGES];

	while (!kthread_should_stop()) {
		bulk_round(pages);
		cond_resched();
	}
	return 0;
}

static int __init allocstress_init(void)
{
	contig_task = kthread_run(contig_loop, NULL, "allocstress/contig");
	if (IS_ERR(contig_task))
		return PTR_ERR(contig_task);
	bulk_task = kthread_run(bulk_loop, NULL, "allocstress/bulk");
	if (IS_ERR(bulk_task)) {
		kthread_stop(contig_task);
		return PTR_ERR(bulk_task);
	}
	return 0;
}

static void __exit allocstress_exit(void)
{
	kthread_stop(bulk_task);
	kthread_stop(contig_task);
}

module_init(allocstress_init);
module_exit(allocstress_exit);

MODULE_DESCRIPTION("Test load: contiguous and bulk page allocation with verified contents");
MODULE_LICENSE("GPL");

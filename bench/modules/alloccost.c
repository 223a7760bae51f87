// SPDX-License-Identifier: GPL-2.0
/*
 * Bench module: what a page costs that is allocated and freed, in ticks of the
 * time stamp counter per page. Under `qemu -icount shift=0` a tick is one
 * guest instruction, and the figures are the same in every run.
 *
 * Writing anything to /sys/module/alloccost/parameters/run measures; the
 * results are then in /sys/module/alloccost/parameters/result, lines
 * "name ticks". A measurement runs with interrupts off and is repeated; the
 * least of the repetitions counts, which is the one that no refill of the
 * per-CPU lists disturbed more than it must.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include "ticks.h"

#define REPETITIONS	31
#define ROUNDS		64
#define BATCH		512
#define BULK_PAGES	64

struct cost {
	const char *name;
	/* Allocates and frees; returns how many pages, 0 when there were none. */
	unsigned long (*work)(void);
	u64 ticks;	/* per 1000 pages */
};

static struct page *batch[BATCH];

static unsigned long nr_pages;
module_param(nr_pages, ulong, 0444);
MODULE_PARM_DESC(nr_pages, "pages allocated and freed in all runs (read only)");

/* One page, again and again: what the per-CPU list costs at its best. */
static unsigned long one_page(void)
{
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		struct page *page = alloc_page(GFP_ATOMIC);

		if (!page)
			return 0;
		__free_page(page);
	}
	return ROUNDS;
}

/* More pages than the per-CPU list holds: with refills and spills. */
static unsigned long many_pages(void)
{
	unsigned int i, nr;

	for (nr = 0; nr < BATCH; nr++) {
		batch[nr] = alloc_page(GFP_ATOMIC);
		if (!batch[nr])
			break;
	}
	for (i = 0; i < nr; i++)
		__free_page(batch[i]);
	return nr == BATCH ? BATCH : 0;
}

static unsigned long blocks(unsigned int order)
{
	struct page *page = alloc_pages(GFP_ATOMIC | __GFP_NOWARN, order);

	if (!page)
		return 0;
	__free_pages(page, order);
	return 1UL << order;
}

static unsigned long order_1(void)
{
	return blocks(1);
}

static unsigned long order_3(void)
{
	return blocks(3);
}

static unsigned long order_9(void)
{
	return blocks(9);
}

static unsigned long bulk(void)
{
	unsigned long nr, i;

	memset(batch, 0, sizeof(batch));
	nr = alloc_pages_bulk_array(GFP_ATOMIC, BULK_PAGES, batch);
	for (i = 0; i < nr; i++)
		__free_page(batch[i]);
	return nr;
}

static struct cost costs[] = {
	{ "page", one_page },
	{ "page_refill", many_pages },
	{ "order1_page", order_1 },
	{ "order3_page", order_3 },
	{ "order9_page", order_9 },
	{ "bulk_page", bulk },
};

static DEFINE_MUTEX(run_mutex);

/* The time that an empty measurement takes. */
static u64 empty(void)
{
	u64 begin = ticks();

	return ticks() - begin;
}

static int measure(struct cost *cost)
{
	unsigned int i;

	cost->ticks = U64_MAX;
	for (i = 0; i < REPETITIONS; i++) {
		unsigned long flags, pages;
		u64 took;

		local_irq_save(flags);
		took = ticks();
		pages = cost->work();
		took = ticks() - took - empty();
		local_irq_restore(flags);
		if (!pages)
			return -ENOMEM;
		cost->ticks = min(cost->ticks, took * 1000 / pages);
		nr_pages += pages;
		cond_resched();
	}
	return 0;
}

static int run_set(const char *value, const struct kernel_param *kp)
{
	unsigned int i;
	int err = 0;

	mutex_lock(&run_mutex);
	for (i = 0; i < ARRAY_SIZE(costs) && !err; i++)
		err = measure(&costs[i]);
	mutex_unlock(&run_mutex);
	return err;
}

static const struct kernel_param_ops run_ops = { .set = run_set };
module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "write anything to measure");

static int result_get(char *buffer, const struct kernel_param *kp)
{
	unsigned int i;
	int used = 0;

	for (i = 0; i < ARRAY_SIZE(costs); i++)
		used += scnprintf(buffer + used, PAGE_SIZE - used, "%s %llu.%03llu\n",
				  costs[i].name, costs[i].ticks / 1000,
				  costs[i].ticks % 1000);
	return used;
}

static const struct kernel_param_ops result_ops = { .get = result_get };
module_param_cb(result, &result_ops, NULL, 0444);
MODULE_PARM_DESC(result, "what the last run found: lines `name ticks` (read only)");

static int __init alloccost_init(void)
{
	return 0;
}

static void __exit alloccost_exit(void)
{
}

module_init(alloccost_init);
module_exit(alloccost_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("pagehint bench: ticks per page allocated and freed");

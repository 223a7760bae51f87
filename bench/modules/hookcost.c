// SPDX-License-Identifier: GPL-2.0
/*
 * Bench module: what the ingredients of a hook on the page allocator cost. It
 * attaches probes to mm_page_alloc and mm_page_free that do a part of what
 * pagehint does, on a table of its own that nobody reads; alloccost measures
 * the pages meanwhile. The parameter `variant` chooses, and may be changed:
 *
 *   off		nothing is attached
 *   tracepoint		the probes return at once
 *   index		+ the frame's state byte is found
 *   stores		+ plain stores on both sides (unsound: the host may be
 *			claiming the frame that is being allocated)
 *   mixed		+ instead: store on free, compare-and-swap on allocation
 *   swaps		+ instead: compare-and-swap on both sides
 *   counted		mixed + one per-CPU counter on each side
 *   bytes		counted + blocks byte by byte
 */
#include <linux/atomic.h>
#include <linux/memblock.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/vmalloc.h>

#define STABLE	0
#define UNUSED	1

static u8 *table;
static unsigned long nr_frames;
static DEFINE_PER_CPU(u64, events);

static struct tracepoint *tracepoint_free, *tracepoint_alloc;

/* One body for all variants: each is a copy with its flags constant. */
#define INDEX	1
#define STORE	2
#define SWAP	4
#define COUNT	8
#define BLOCKS	16

static __always_inline void hook(struct page *page, unsigned int order, u8 from, u8 to,
				 unsigned int does)
{
	unsigned long pfn = page_to_pfn(page), i;
	u8 *byte = table + pfn;

	if (!does)
		return;
	if (unlikely(pfn >= nr_frames))
		return;
	if (unlikely(order)) {
		for (i = 0; does & BLOCKS && i < 1UL << order; i++) {
			if (does & SWAP)
				sync_cmpxchg(&byte[i], from, to);
			else
				smp_store_release(&byte[i], to);	/* as for one */
		}
		return;
	}
	if (does == INDEX)
		asm volatile("" : : "r" (byte));
	if (does & STORE)
		smp_store_release(byte, to);	/* contents before the state */
	if (does & SWAP)
		sync_cmpxchg(byte, from, to);
	if (does & COUNT)
		this_cpu_inc(events);
}

#define VARIANT(name, on_free, on_alloc)					\
static void free_##name(void *data, struct page *page, unsigned int order)	\
{										\
	hook(page, order, STABLE, UNUSED, on_free);				\
}										\
										\
static void alloc_##name(void *data, struct page *page, unsigned int order,	\
			 gfp_t gfp, int migratetype)				\
{										\
	hook(page, order, UNUSED, STABLE, on_alloc);				\
}

VARIANT(tracepoint, 0, 0)
VARIANT(index, INDEX, INDEX)
VARIANT(stores, STORE, STORE)
VARIANT(mixed, STORE, SWAP)
VARIANT(swaps, SWAP, SWAP)
VARIANT(counted, STORE | COUNT, SWAP | COUNT)
VARIANT(bytes, STORE | COUNT | BLOCKS, SWAP | COUNT | BLOCKS)

#define ROW(name)	{ #name, free_##name, alloc_##name }

static const struct variant {
	const char *name;
	void *on_free, *on_alloc;
} variants[] = {
	{ "off", NULL, NULL },
	ROW(tracepoint), ROW(index), ROW(stores), ROW(mixed), ROW(swaps), ROW(counted),
	ROW(bytes),
};

static const struct variant *variant = &variants[0];
static DEFINE_MUTEX(variant_mutex);

static void detach(void)
{
	if (variant->on_free)
		tracepoint_probe_unregister(tracepoint_free, variant->on_free, NULL);
	if (variant->on_alloc)
		tracepoint_probe_unregister(tracepoint_alloc, variant->on_alloc, NULL);
	variant = &variants[0];
	tracepoint_synchronize_unregister();
}

static int attach(const struct variant *wanted)
{
	int err;

	if (!wanted->on_free)
		return 0;
	err = tracepoint_probe_register(tracepoint_free, wanted->on_free, NULL);
	if (err)
		return err;
	err = tracepoint_probe_register(tracepoint_alloc, wanted->on_alloc, NULL);
	if (err) {
		tracepoint_probe_unregister(tracepoint_free, wanted->on_free, NULL);
		return err;
	}
	variant = wanted;
	return 0;
}

static int variant_set(const char *value, const struct kernel_param *kp)
{
	unsigned int i;
	int err = -EINVAL;

	if (!table)
		return -EINVAL;	/* not at load: there is no table yet */
	mutex_lock(&variant_mutex);
	for (i = 0; i < ARRAY_SIZE(variants); i++) {
		if (!sysfs_streq(value, variants[i].name))
			continue;
		detach();
		err = attach(&variants[i]);
	}
	mutex_unlock(&variant_mutex);
	return err;
}

static const struct kernel_param_ops variant_ops = { .set = variant_set };
module_param_cb(variant, &variant_ops, NULL, 0200);
MODULE_PARM_DESC(variant, "what the probes do: off, tracepoint, index, stores, mixed, swaps, counted or bytes");

static void find(struct tracepoint *tracepoint, void *unused)
{
	if (!strcmp(tracepoint->name, "mm_page_free"))
		tracepoint_free = tracepoint;
	if (!strcmp(tracepoint->name, "mm_page_alloc"))
		tracepoint_alloc = tracepoint;
}

static int __init hookcost_init(void)
{
	int node;

	for_each_online_node(node)
		nr_frames = max(nr_frames, node_end_pfn(node));
	for_each_kernel_tracepoint(find, NULL);
	if (!tracepoint_free || !tracepoint_alloc)
		return -ENOENT;
	table = vzalloc(nr_frames);
	return table ? 0 : -ENOMEM;
}

static void __exit hookcost_exit(void)
{
	detach();
	vfree(table);
}

module_init(hookcost_init);
module_exit(hookcost_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("pagehint bench: ingredients of a hook on the page allocator");

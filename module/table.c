// SPDX-License-Identifier: GPL-2.0
/*
 * The layout of the table of state bytes: from the guest's System RAM, one
 * range per (NUMA node, contiguous piece of memory).
 *
 * Context: layout and freeing happen at load and unload only, with no hook
 * attached. No locks.
 */
#include <pagehint/log.h>

#include <linux/bits.h>
#include <linux/cpumask.h>
#include <linux/ioport.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include <compat/mm.h>
#include <pagehint/at_once.h>
#include <pagehint/control.h>
#include <pagehint/page_state.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>

/*
 * The first MiB stays out: its RAM lies under firmware and option ROMs and is
 * too small to matter.
 */
#define FIRST_PFN	((1UL << 20) >> PAGE_SHIFT)

/*
 * Blocks of the allocator lie wholly within the table: no larger ones are known
 * (hugetlb's gigantic pages are freed and isolated in smaller ones).
 */
#define TABLE_STEP	BIT(15)

/* A table up to this size may consist of holes; a larger one up to three quarters. */
#define SMALL_TABLE	(64UL << 20)

/* NUMA nodes begin at multiples of this; so far may a node be guessed. */
#define NODE_STEP	((1UL << 20) >> PAGE_SHIFT)

/* The bytes of so many frames are swept between two chances to reschedule. */
#define SWEEP_STEP	4096UL

struct pagehint_table pagehint_table __read_mostly;

static int append_range(unsigned long pfn, unsigned long end, int node)
{
	struct pagehint_range *range;
	unsigned long nr_bytes;

	if (pagehint_table.nr_ranges == PAGEHINT_MAX_EXTENTS) {
		pr_warn("memory is in more than %d pieces: frames from %#lx on stay stable\n",
			PAGEHINT_MAX_EXTENTS, pfn);
		return 1;
	}
	nr_bytes = round_up(end, TABLE_STEP);
	if (nr_bytes > SMALL_TABLE &&
	    nr_bytes / 4 > pagehint_table.nr_frames + (end - pfn)) {
		pr_warn("memory lies far apart: frames from %#lx on stay stable\n", pfn);
		return 1;
	}
	pagehint_table.nr_bytes = nr_bytes;
	range = &pagehint_table.ranges[pagehint_table.nr_ranges++];
	range->gfn = pfn;
	range->nr_frames = end - pfn;
	range->node = node;
	pagehint_table.nr_frames += end - pfn;
	return 0;
}

static int node_of(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);

	return page ? page_to_nid(page) : NUMA_NO_NODE;
}

/* One resource is one piece of RAM: split it where the node changes. */
static int add_resource(struct resource *res, void *unused)
{
	unsigned long pfn = max(PFN_UP(res->start), FIRST_PFN);
	unsigned long end = PFN_DOWN(res->end + 1);
	int err = 0;

	while (pfn < end && !err) {
		int node = node_of(pfn);
		unsigned long next = pfn;

		do {
			next = min(round_down(next, NODE_STEP) + NODE_STEP, end);
			cond_resched();
		} while (next < end && node_of(next) == node);
		if (node != NUMA_NO_NODE)
			err = append_range(pfn, next, node);
		pfn = next;
	}
	return err;
}

/**
 * pagehint_table_layout - find the guest's memory and lay its table out
 *
 * Context: process.
 * Return: 0 or -ENODEV (no memory found).
 */
int pagehint_table_layout(void)
{
	int err;

	memset(&pagehint_table, 0, sizeof(pagehint_table));
	err = walk_iomem_res_desc(IORES_DESC_NONE,
				  IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY,
				  0, U64_MAX, NULL, add_resource);
	if (err < 0 || !pagehint_table.nr_ranges) {
		pr_err("found no System RAM in the resource tree (error %d): see /proc/iomem\n",
		       err);
		return -ENODEV;
	}
	return 0;
}

/**
 * pagehint_table_free - forget the layout
 *
 * Context: process; no hook is attached.
 */
void pagehint_table_free(void)
{
	memset(&pagehint_table, 0, sizeof(pagehint_table));
}

/**
 * pagehint_table_set_bytes - the backend has memory for the state bytes
 * @bytes: pagehint_table.nr_bytes of them, aligned to 8, or NULL to take them away
 *
 * Context: process; no hook is attached.
 */
void pagehint_table_set_bytes(u8 *bytes)
{
	pagehint_table.bytes = bytes;
}

/**
 * pagehint_table_sweep - make frames stable that are still free
 * @gfn: first frame
 * @nr_frames: how many; those behind the table's end are skipped
 *
 * Context: process; may sleep. No free-side event may make these frames unused
 * again meanwhile. Waits where the host is busy.
 */
void pagehint_table_sweep(unsigned long gfn, unsigned long nr_frames)
{
	unsigned long end = min(gfn + nr_frames, pagehint_table.nr_bytes);

	while (gfn < end) {
		unsigned long next = min(round_down(gfn, SWEEP_STEP) + SWEEP_STEP, end);
		struct pagehint_changed changed =
			pagehint_state_alloc_range(pagehint_table_byte(gfn), next - gfn);

		if (changed.frames)
			pagehint_tell_stable(gfn, next - gfn);
		pagehint_count(PAGEHINT_SWEPT, changed.frames);
		pagehint_count(PAGEHINT_SWEPT_TAKEN, changed.absent);
		gfn = next;
		cond_resched();
	}
}

/**
 * pagehint_table_sweep_all - make every frame stable
 *
 * The whole table, not only the ranges: a frame in a hole of System RAM has a
 * byte too, which the host never looks at but a reader of statistics does.
 *
 * Context: as pagehint_table_sweep().
 */
void pagehint_table_sweep_all(void)
{
	pagehint_table_sweep(0, pagehint_table.nr_bytes);
}

/**
 * pagehint_table_reaches - does the host know any of these frames?
 * @gfn: first frame
 * @nr_frames: how many
 *
 * Context: any; between layout and freeing.
 */
bool pagehint_table_reaches(unsigned long gfn, unsigned long nr_frames)
{
	unsigned int i;

	for (i = 0; i < pagehint_table.nr_ranges; i++) {
		const struct pagehint_range *range = &pagehint_table.ranges[i];

		if (gfn < range->gfn + range->nr_frames &&
		    range->gfn < gfn + nr_frames)
			return true;
	}
	return false;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The layout of the table of state bytes: from the guest's System RAM, one
 * range per (NUMA node, contiguous piece of memory).
 *
 * Context: layout and freeing happen at load and unload only, with no hook
 * attached. No locks.
 */
#include <pagehint/log.h>

#include <linux/cpumask.h>
#include <linux/ioport.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include <compat/mm.h>
#include <pagehint/control.h>
#include <pagehint/page_state.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>

/*
 * The first MiB stays out: its RAM lies under firmware and option ROMs and is
 * too small to matter.
 */
#define FIRST_PFN	((1UL << 20) >> PAGE_SHIFT)

/* NUMA nodes begin at multiples of this; so far may a node be guessed. */
#define NODE_STEP	((1UL << 20) >> PAGE_SHIFT)

/* The bytes of so many frames are swept between two chances to reschedule. */
#define SWEEP_STEP	4096UL

struct pagehint_table pagehint_table __read_mostly;

static int append_range(unsigned long pfn, unsigned long end, int node)
{
	struct pagehint_range *range;

	if (pagehint_table.nr_ranges == PAGEHINT_MAX_EXTENTS) {
		pr_warn("memory is in more than %d pieces: frames from %#lx on stay stable\n",
			PAGEHINT_MAX_EXTENTS, pfn);
		return 1;
	}
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
 * Sections get their bytes in ascending order, whole sections at a time, so a
 * range that spans sections has its bytes in a row.
 *
 * Context: process.
 * Return: 0, -ENOMEM or -ENODEV (no memory found).
 */
int pagehint_table_layout(void)
{
	struct pagehint_table *table = &pagehint_table;
	unsigned long last_section = ULONG_MAX;
	u64 next_offset = 0;
	unsigned int i;
	int err;

	memset(table, 0, sizeof(*table));
	err = walk_iomem_res_desc(IORES_DESC_NONE,
				  IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY,
				  0, U64_MAX, NULL, add_resource);
	if (err < 0 || !table->nr_ranges) {
		pr_err("found no System RAM in the resource tree (error %d): see /proc/iomem\n",
		       err);
		return -ENODEV;
	}
	for (i = 0; i < table->nr_ranges; i++) {
		struct pagehint_range *range = &table->ranges[i];
		unsigned long section = range->gfn >> PAGEHINT_SECTION_SHIFT;
		unsigned long end = range->gfn + range->nr_frames;

		if (section != last_section)
			next_offset = round_up(next_offset, PAGEHINT_SECTION_FRAMES);
		else
			next_offset = round_down(next_offset - 1, PAGEHINT_SECTION_FRAMES);
		range->table_offset = next_offset +
				      (range->gfn & (PAGEHINT_SECTION_FRAMES - 1));
		next_offset = range->table_offset + range->nr_frames;
		last_section = (end - 1) >> PAGEHINT_SECTION_SHIFT;
	}
	/* Whole sections: a lookup does not know where in one the memory ends. */
	table->nr_bytes = round_up(next_offset, PAGEHINT_SECTION_FRAMES);
	table->nr_sections = last_section + 1;
	table->section = kvcalloc(table->nr_sections, sizeof(*table->section),
				  GFP_KERNEL);
	return table->section ? 0 : -ENOMEM;
}

/**
 * pagehint_table_free - forget the layout
 *
 * Context: process; no hook is attached.
 */
void pagehint_table_free(void)
{
	kvfree(pagehint_table.section);
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
	unsigned int i;

	pagehint_table.bytes = bytes;
	for (i = 0; i < pagehint_table.nr_ranges; i++) {
		struct pagehint_range *range = &pagehint_table.ranges[i];
		unsigned long section = range->gfn >> PAGEHINT_SECTION_SHIFT;
		unsigned long last = (range->gfn + range->nr_frames - 1) >>
				     PAGEHINT_SECTION_SHIFT;

		for (; section <= last; section++)
			pagehint_table.section[section] = bytes ?
				bytes + range->table_offset - range->gfn : NULL;
	}
}

/**
 * pagehint_table_sweep - make frames stable that are still free
 * @gfn: first frame
 * @nr_frames: how many; frames that the table does not cover are skipped
 *
 * Context: process; may sleep. No free-side event may make these frames unused
 * again meanwhile. Waits where the host is busy.
 */
void pagehint_table_sweep(unsigned long gfn, unsigned long nr_frames)
{
	unsigned long end = gfn + nr_frames;

	while (gfn < end) {
		unsigned long next = min(round_down(gfn, SWEEP_STEP) + SWEEP_STEP, end);
		u8 *byte = pagehint_table_byte(gfn);

		if (byte) {
			struct pagehint_changed changed =
				pagehint_state_alloc_range(byte, next - gfn);

			pagehint_count(PAGEHINT_SWEPT, changed.frames);
			pagehint_count(PAGEHINT_SWEPT_TAKEN, changed.absent);
		}
		gfn = next;
		cond_resched();
	}
}

/**
 * pagehint_table_sweep_all - make every frame stable
 *
 * Whole sections, not only the ranges: a frame in a hole of System RAM has a
 * byte too, which the host never looks at but a reader of statistics does.
 *
 * Context: as pagehint_table_sweep().
 */
void pagehint_table_sweep_all(void)
{
	pagehint_table_sweep(0, pagehint_table.nr_sections << PAGEHINT_SECTION_SHIFT);
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of state bytes: which frames it covers and where a frame's byte is.
 *
 * Memory is covered in sections of 128 MiB, so that the table needs no bytes
 * for the holes of the physical address space and a lookup is one array index.
 * The layout is made once at load and freed at unload: lookups take no lock.
 */
#ifndef _PAGEHINT_TABLE_H
#define _PAGEHINT_TABLE_H

#include <linux/bits.h>
#include <linux/types.h>
#include <uapi/pagehint.h>

#define PAGEHINT_SECTION_SHIFT	15	/* frames per section, as a power of two */
#define PAGEHINT_SECTION_FRAMES	BIT(PAGEHINT_SECTION_SHIFT)

/**
 * struct pagehint_range - frames that are contiguous, on one node, and covered
 * @gfn: first frame
 * @nr_frames: how many
 * @table_offset: of the first frame's byte in the table
 * @node: NUMA node
 */
struct pagehint_range {
	unsigned long gfn;
	unsigned long nr_frames;
	u64 table_offset;
	int node;
};

/**
 * struct pagehint_table - the layout, and the bytes themselves
 * @section: by section: address of its bytes minus its first pfn, so that
 *	adding a pfn gives the byte; NULL where the table covers nothing
 * @nr_sections: length of @section
 * @bytes: the state bytes, from the backend
 * @nr_bytes: how many the layout needs
 * @nr_frames: how many frames of RAM they cover
 * @nr_ranges: length of @ranges
 * @ranges: in ascending order
 */
struct pagehint_table {
	u8 **section;
	unsigned long nr_sections;
	u8 *bytes;
	u64 nr_bytes;
	unsigned long nr_frames;
	unsigned int nr_ranges;
	struct pagehint_range ranges[PAGEHINT_MAX_EXTENTS];
};

extern struct pagehint_table pagehint_table;

int pagehint_table_layout(void);
void pagehint_table_free(void);
void pagehint_table_set_bytes(u8 *bytes);
void pagehint_table_sweep(unsigned long gfn, unsigned long nr_frames);
void pagehint_table_sweep_all(void);

/**
 * pagehint_table_byte - the state byte of a frame
 * @pfn: the frame
 *
 * A naturally aligned block of up to 128 MiB has its bytes in a row.
 *
 * Context: any.
 * Return: its address, NULL when the table does not cover the frame.
 */
static __always_inline u8 *pagehint_table_byte(unsigned long pfn)
{
	unsigned long index = pfn >> PAGEHINT_SECTION_SHIFT;
	u8 *base;

	if (unlikely(index >= pagehint_table.nr_sections))
		return NULL;
	base = pagehint_table.section[index];
	return likely(base) ? base + pfn : NULL;
}

#endif /* _PAGEHINT_TABLE_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of state bytes: which frames it covers and where a frame's byte is.
 *
 * One byte per frame from frame 0 to the end of memory, so that a lookup, which
 * runs for every page, is a comparison and an addition. Holes of the physical
 * address space have bytes that nobody reads: 256 KiB of address space for each
 * GiB, and no memory in a sparse file. The layout is made once at load and freed
 * at unload: lookups take no lock.
 */
#ifndef _PAGEHINT_TABLE_H
#define _PAGEHINT_TABLE_H

#include <linux/types.h>
#include <uapi/pagehint.h>

/**
 * struct pagehint_range - frames that are contiguous, on one node, and covered
 * @gfn: first frame
 * @nr_frames: how many
 * @node: NUMA node
 */
struct pagehint_range {
	unsigned long gfn;
	unsigned long nr_frames;
	int node;
};

/**
 * struct pagehint_table - the layout, and the bytes themselves
 * @bytes: the state bytes, from the backend
 * @nr_bytes: how many the layout needs; frames from there on have none
 * @nr_frames: how many frames of RAM they cover
 * @nr_ranges: length of @ranges
 * @ranges: in ascending order
 */
struct pagehint_table {
	u8 *bytes;
	unsigned long nr_bytes;
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
bool pagehint_table_reaches(unsigned long gfn, unsigned long nr_frames);

/**
 * pagehint_table_covers - has a frame a state byte?
 * @pfn: the frame
 *
 * Context: any.
 */
static __always_inline bool pagehint_table_covers(unsigned long pfn)
{
	return pfn < pagehint_table.nr_bytes;
}

/**
 * pagehint_table_byte - the state byte of a frame that has one
 * @pfn: the frame
 *
 * The bytes of a naturally aligned block are in a row, and as aligned as it.
 *
 * Context: any; with hooks attached or between the backend's open and close.
 * Return: its address.
 */
static __always_inline u8 *pagehint_table_byte(unsigned long pfn)
{
	return pagehint_table.bytes + pfn;
}

#endif /* _PAGEHINT_TABLE_H */

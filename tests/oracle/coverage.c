// SPDX-License-Identifier: GPL-2.0
/*
 * Reading the extents of the table's header, and calibration.
 *
 * Calibration: a kernel that was booted with nokaslr reaches all its RAM
 * through one linear mapping, so that an access there shows its guest physical
 * address in the virtual one. QEMU's answer for the same access then shows
 * where QEMU keeps this extent. The first such access to an extent fixes it -
 * the guest itself writes its proof frames so, while it activates - and
 * samples of all later ones must agree: a single difference fails the run,
 * because then some accesses were looked up in the wrong place.
 */
#include <stdlib.h>
#include <string.h>

#include "coverage.h"

static int larger_first(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

const char *coverage_init(struct coverage *coverage, const struct pagehint_header *header,
			  size_t file_bytes)
{
	const uint8_t *table = (const uint8_t *)header + PAGEHINT_HEADER_BYTES;
	uint64_t table_bytes = file_bytes - PAGEHINT_HEADER_BYTES;
	unsigned int i;

	memset(coverage, 0, sizeof(*coverage));
	if (file_bytes <= PAGEHINT_HEADER_BYTES)
		return "the table file is smaller than its header";
	if (header->magic != PAGEHINT_MAGIC)
		return "the header has no PAGEHINT_MAGIC, but is active";
	if (header->version != PAGEHINT_VERSION)
		return "the header's version is not PAGEHINT_VERSION";
	if (header->frame_shift != PAGEHINT_FRAME_SHIFT)
		return "the header's frame_shift is not PAGEHINT_FRAME_SHIFT";
	if (!header->nr_extents || header->nr_extents > PAGEHINT_MAX_EXTENTS)
		return "the header's nr_extents is 0 or beyond PAGEHINT_MAX_EXTENTS";

	coverage->boot_id = header->boot_id;
	coverage->nr_extents = header->nr_extents;
	for (i = 0; i < header->nr_extents; i++) {
		const struct pagehint_extent *from = &header->extents[i];
		struct extent *to = &coverage->extents[i];

		if (from->table_offset > table_bytes ||
		    from->nr_frames > table_bytes - from->table_offset)
			return "an extent reaches beyond the end of the table file";
		to->gpa = from->gfn << PAGEHINT_FRAME_SHIFT;
		to->bytes = from->nr_frames << PAGEHINT_FRAME_SHIFT;
		to->first_index = from->table_offset;
		to->state = table + from->table_offset;
		atomic_init(&to->ram_place, RAM_PLACE_UNKNOWN);
		if (to->gpa + to->bytes > coverage->end_gpa)
			coverage->end_gpa = to->gpa + to->bytes;
		coverage->nr_frames += from->nr_frames;
	}
	/* Most accesses fall into the largest one: look there first. */
	qsort(coverage->extents, coverage->nr_extents, sizeof(struct extent), larger_first);
	return NULL;
}

enum calibration coverage_calibrate(struct extent *extent, uint64_t gpa, uint64_t ram_place)
{
	uint64_t start = ram_place - (gpa - extent->gpa);
	uint64_t known = RAM_PLACE_UNKNOWN;

	if (atomic_compare_exchange_strong(&extent->ram_place, &known, start))
		return CALIBRATION_NEW;
	return known == start ? CALIBRATION_AGREES : CALIBRATION_DIFFERS;
}

bool coverage_all_calibrated(const struct coverage *coverage)
{
	unsigned int i;

	for (i = 0; i < coverage->nr_extents; i++)
		if (atomic_load_explicit(&coverage->extents[i].ram_place,
					 memory_order_relaxed) == RAM_PLACE_UNKNOWN)
			return false;
	return true;
}

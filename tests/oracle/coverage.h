/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which frames the shared table covers, and where the state byte of an
 * accessed address lies. Built once per activation from the header that the
 * guest wrote, and constant from then on, but for the calibration.
 */
#ifndef ORACLE_COVERAGE_H
#define ORACLE_COVERAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../include/uapi/pagehint.h"

/* Where Linux maps all RAM on x86-64 without KASLR, with 4 and with 5 levels. */
#define DIRECT_MAP_4_LEVELS	0xffff888000000000ULL
#define DIRECT_MAP_5_LEVELS	0xff11000000000000ULL

#define RAM_PLACE_UNKNOWN	UINT64_MAX

/* One extent of the header. */
struct extent {
	uint64_t gpa;
	uint64_t bytes;
	uint64_t first_index;	/* of its first frame, in the table */
	const uint8_t *state;	/* the byte of its first frame */
	/*
	 * What QEMU calls the address gpa. Up to QEMU 8.0 a plugin is told an
	 * address in QEMU's own list of RAM blocks, whose order depends on the
	 * machine's devices, and which knows no PCI hole: RAM above 4 GiB has
	 * another difference than RAM below. See coverage_calibrate().
	 */
	_Atomic uint64_t ram_place;
};

struct coverage {
	uint64_t boot_id;
	uint64_t end_gpa;	/* no extent reaches beyond */
	uint64_t nr_frames;
	unsigned int nr_extents;
	struct extent extents[PAGEHINT_MAX_EXTENTS];
};

enum calibration {
	CALIBRATION_NEW,
	CALIBRATION_AGREES,
	CALIBRATION_DIFFERS,
};

/*
 * Reads the extents of @header, the start of a table file of @file_bytes.
 * Returns NULL, or what is wrong with them.
 */
const char *coverage_init(struct coverage *coverage, const struct pagehint_header *header,
			  size_t file_bytes);

/*
 * Learns from one access whose address is known in both numberings, and holds
 * every later one against what was learnt.
 */
enum calibration coverage_calibrate(struct extent *extent, uint64_t gpa, uint64_t ram_place);

bool coverage_all_calibrated(const struct coverage *coverage);

/* The guest physical address of @vaddr if it lies in the direct map of RAM. */
static inline bool direct_map_gpa(const struct coverage *coverage, uint64_t vaddr, uint64_t *gpa)
{
	if (vaddr - DIRECT_MAP_4_LEVELS < coverage->end_gpa)
		*gpa = vaddr - DIRECT_MAP_4_LEVELS;
	else if (vaddr - DIRECT_MAP_5_LEVELS < coverage->end_gpa)
		*gpa = vaddr - DIRECT_MAP_5_LEVELS;
	else
		return false;
	return true;
}

static inline struct extent *extent_of_gpa(struct coverage *coverage, uint64_t gpa)
{
	unsigned int i;

	for (i = 0; i < coverage->nr_extents; i++) {
		struct extent *extent = &coverage->extents[i];

		if (gpa - extent->gpa < extent->bytes)
			return extent;
	}
	return NULL;
}

/* The extent of an address in QEMU's numbering, and the address as the guest's. */
static inline struct extent *extent_of_ram_place(struct coverage *coverage, uint64_t place,
						 uint64_t *gpa)
{
	unsigned int i;

	for (i = 0; i < coverage->nr_extents; i++) {
		struct extent *extent = &coverage->extents[i];
		uint64_t start = atomic_load_explicit(&extent->ram_place, memory_order_relaxed);

		if (start != RAM_PLACE_UNKNOWN && place - start < extent->bytes) {
			*gpa = extent->gpa + (place - start);
			return extent;
		}
	}
	return NULL;
}

static inline uint64_t frame_of(const struct extent *extent, uint64_t gpa)
{
	return (gpa - extent->gpa) >> PAGEHINT_FRAME_SHIFT;
}

/* Guest and plugin share the byte: a single load, which tears nothing. */
static inline uint8_t state_of(const struct extent *extent, uint64_t gpa)
{
	return __atomic_load_n(&extent->state[frame_of(extent, gpa)], __ATOMIC_RELAXED);
}

/* Usage U or V: the host may drop the frame at this moment. */
static inline bool state_forbids_access(uint8_t state)
{
	return state & PAGEHINT_UNUSED;
}

/* Of those, V: page cache, whose content the guest may still want. */
static inline bool state_is_volatile(uint8_t state)
{
	return (state & PAGEHINT_USAGE_MASK) == PAGEHINT_VOLATILE;
}

_Static_assert((PAGEHINT_UNUSED & PAGEHINT_VOLATILE) == PAGEHINT_UNUSED &&
	       !((PAGEHINT_STABLE | PAGEHINT_POTENTIAL) & PAGEHINT_UNUSED),
	       "bit 0 tells U and V from S and P");

#endif /* ORACLE_COVERAGE_H */

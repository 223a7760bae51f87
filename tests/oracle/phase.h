/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A phase: the time from an activation of the table by the guest (a module is
 * loaded, or switched on) to its end. Extents, counts and findings belong to
 * one phase, so that several modules can be tried in one boot.
 */
#ifndef ORACLE_PHASE_H
#define ORACLE_PHASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "coverage.h"
#include "sites.h"

#define MAX_VCPUS	64
#define MAX_PHASES	32

/* What one virtual CPU did in a phase. Written by that CPU's thread alone. */
struct vcpu_stats {
	uint64_t direct;	/* checked, address from the direct map */
	uint64_t translated;	/* checked, address from QEMU */
	uint64_t outside;	/* RAM that the table does not cover */
	uint64_t io;		/* devices */
	uint64_t unresolved;	/* not checked: QEMU did not say where a user address lies */
	uint64_t unplaced;	/* not checked: an extent was not calibrated yet */
	uint64_t crossing;	/* touched two pages */
	uint64_t verified;	/* direct map held against QEMU's answer */
	uint64_t differing;	/* ... and found different */
	struct sites *sites;	/* NULL until the first finding */
} __attribute__((aligned(128)));

struct phase {
	struct coverage coverage;
	const char *complaint;	/* about the header; then nothing is checked */
	uint64_t unused_max;	/* most frames seen in usage U at one time */
	uint64_t volatile_max;	/* ... and in usage V */
	uint64_t *touched;	/* bit per state byte: accessed while U */
	uint64_t *touched_volatile;
	struct vcpu_stats vcpu[MAX_VCPUS];
};

/* Maps the table. Returns NULL, or what went wrong. */
const char *phases_open(const char *path);

/*
 * Looks whether the guest began or ended a phase. Cheap when not; called by
 * any thread at any time.
 */
void phases_poll(void);

/* Counts the frames that are U and V now, about twice a second. */
void phase_sample_hinted(struct phase *phase);

/* The phase of now, or NULL. Phases live until the end of the run. */
extern struct phase *_Atomic phase_now;

static inline struct phase *phase_get(void)
{
	return atomic_load_explicit(&phase_now, memory_order_acquire);
}

/* Sets the bit of a frame in one of the maps of a phase. */
static inline void phase_touch(uint64_t *touched, const struct extent *extent, uint64_t gpa)
{
	uint64_t index = extent->first_index + frame_of(extent, gpa);
	uint64_t bit = 1ULL << (index % 64);
	uint64_t *word = &touched[index / 64];

	if (!(__atomic_load_n(word, __ATOMIC_RELAXED) & bit))
		__atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
}

uint64_t phase_frames_touched(const uint64_t *touched);

/* For the report, when all is over. */
unsigned int phases_end(void);
struct phase *phase_at(unsigned int n);

#endif /* ORACLE_PHASE_H */

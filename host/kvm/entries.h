/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Vectors of entries that a guest passes by hypercall: what is malformed, which
 * neighbours are one piece of work, and how much work one call may be.
 *
 * Pure: also built in user space (tests/unit/kvm_entries.c). A guest chooses
 * every bit of what comes in here.
 */
#ifndef _PAGEHINT_KVM_ENTRIES_H
#define _PAGEHINT_KVM_ENTRIES_H

#include <pagehint/platform.h>
#include <uapi/pagehint.h>

/* x86 has 52 bits of physical address at most. */
#define PAGEHINT_GPA_BITS	52
#define PAGEHINT_GFN_END	(1ULL << (PAGEHINT_GPA_BITS - PAGEHINT_FRAME_SHIFT))

#define PAGEHINT_MAX_ENTRIES \
	((unsigned int)(PAGEHINT_FRAME_BYTES / sizeof(struct pagehint_hc_entry)))

/**
 * struct pagehint_walk_ops - what is done with entries that are well-formed
 * @covers: is all of the range memory that the guest may hint? 0 or an error
 * @unused: a range has no content; neighbouring entries come as one
 * @make_volatile: all of the range, or on an error none of it
 * @forget: the content matters again, and whether it is there is not asked
 * @make_stable: PAGEHINT_HC_RESULT_KEPT or _DISCARDED, or an error
 * @must_stop: does somebody wait for this CPU?
 *
 * An error ends the walk before the entry that it is for. @context is the
 * caller's.
 */
struct pagehint_walk_ops {
	int (*covers)(void *context, u64 gfn, u64 nr_frames);
	int (*unused)(void *context, u64 gfn, u64 nr_frames);
	int (*make_volatile)(void *context, u64 gfn, u64 nr_frames, u8 temperature);
	int (*forget)(void *context, u64 gfn, u64 nr_frames);
	int (*make_stable)(void *context, u64 gfn, u64 nr_frames);
	bool (*must_stop)(void *context);
};

/**
 * struct pagehint_walk - one call, over one or several pieces of its vector
 * @ops: what to do
 * @context: for @ops
 * @nr_done: entries done: what the guest is answered unless it is 0
 * @nr_frames: frames of entries that were begun
 * @error: why the walk ended, 0: it did not, or it had done enough
 * @ended: no further entry is looked at
 */
struct pagehint_walk {
	const struct pagehint_walk_ops *ops;
	void *context;
	unsigned int nr_done;
	u64 nr_frames;
	int error;
	bool ended;
};

int pagehint_check_vector(u64 gpa, u64 count);
int pagehint_check_query(u64 gpa);
int pagehint_check_entry(const struct pagehint_hc_entry *entry, bool make_stable);
unsigned int pagehint_walk_set_state(struct pagehint_walk *walk,
				     const struct pagehint_hc_entry *entries, unsigned int nr);
unsigned int pagehint_walk_make_stable(struct pagehint_walk *walk,
				       struct pagehint_hc_entry *entries, unsigned int nr);

#endif /* _PAGEHINT_KVM_ENTRIES_H */

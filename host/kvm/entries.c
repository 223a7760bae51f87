// SPDX-License-Identifier: GPL-2.0
/*
 * Vectors of entries: checks, coalescing, and the bound on one call's work.
 *
 * The bound: a call does at least one entry, so that a guest that calls again
 * with the rest gets on, and none after PAGEHINT_HC_MAX_FRAMES frames were begun
 * or somebody waits for the CPU. With at most as many frames an entry, a call is
 * never more than twice that.
 */
#include "entries.h"

#ifdef __KERNEL__
#include <linux/errno.h>
#endif

/* Entries [first, first + nr) of a piece, which follow each other in memory */
struct run {
	u64 gfn;
	u64 nr_frames;
	unsigned int first;
	unsigned int nr;
};

/* @bytes must not be more than a frame. */
static bool within_frame(u64 gpa, u64 bytes)
{
	return gpa < 1ULL << PAGEHINT_GPA_BITS &&
	       (gpa & (PAGEHINT_FRAME_BYTES - 1)) + bytes <= PAGEHINT_FRAME_BYTES;
}

/**
 * pagehint_check_vector - can a vector be at this address?
 * @gpa: of the first entry
 * @count: of entries
 *
 * Return: 0 or -EINVAL.
 */
int pagehint_check_vector(u64 gpa, u64 count)
{
	if (!count || count > PAGEHINT_MAX_ENTRIES)
		return -EINVAL;
	if (gpa % sizeof(struct pagehint_hc_entry))
		return -EINVAL;
	if (!within_frame(gpa, count * sizeof(struct pagehint_hc_entry)))
		return -EINVAL;
	return 0;
}

/**
 * pagehint_check_query - can the answer to a query be at this address?
 * @gpa: of the answer
 *
 * Return: 0 or -EINVAL.
 */
int pagehint_check_query(u64 gpa)
{
	if (gpa % sizeof(u64) || !within_frame(gpa, sizeof(struct pagehint_hc_query)))
		return -EINVAL;
	return 0;
}

/**
 * pagehint_check_entry - is an entry well-formed?
 * @entry: a copy, which the guest cannot change any more
 * @make_stable: of which call, MAKE_STABLE or SET_STATE
 *
 * Return: 0 or -EINVAL.
 */
int pagehint_check_entry(const struct pagehint_hc_entry *entry, bool make_stable)
{
	if (!entry->nr_frames || entry->nr_frames > PAGEHINT_HC_MAX_FRAMES)
		return -EINVAL;
	/* In this order: the sum of any two would overflow. */
	if (entry->gfn >= PAGEHINT_GFN_END ||
	    entry->nr_frames > PAGEHINT_GFN_END - entry->gfn)
		return -EINVAL;
	if (entry->reserved)
		return -EINVAL;
	if (make_stable)
		return entry->state == PAGEHINT_STABLE ? 0 : -EINVAL;
	switch (entry->state & PAGEHINT_STATE_MASK) {
	case PAGEHINT_STABLE:
	case PAGEHINT_UNUSED:
	case PAGEHINT_VOLATILE:
		return 0;
	}
	/* POTENTIAL is for ESSA; ABSENT, BUSY and the like are not said by calls. */
	return -EINVAL;
}

static bool done_enough(const struct pagehint_walk *walk, bool begun)
{
	if (!begun && !walk->nr_done)
		return false;
	return walk->nr_frames >= PAGEHINT_HC_MAX_FRAMES ||
	       walk->ops->must_stop(walk->context);
}

/* Returns how many entries of the piece are done now that the run was tried. */
static unsigned int end_run(struct pagehint_walk *walk, struct run *run, unsigned int done)
{
	unsigned int first = run->first;
	int err;

	if (!run->nr)
		return done;
	run->nr = 0;
	err = walk->ops->unused(walk->context, run->gfn, run->nr_frames);
	if (!err)
		return done;
	walk->error = err;
	walk->ended = true;
	return first;
}

static void add_to_run(struct run *run, const struct pagehint_hc_entry *entry,
		       unsigned int index)
{
	if (!run->nr) {
		run->gfn = entry->gfn;
		run->nr_frames = 0;
		run->first = index;
	}
	run->nr_frames += entry->nr_frames;
	run->nr++;
}

static bool continues(const struct run *run, const struct pagehint_hc_entry *entry)
{
	return run->nr && run->gfn + run->nr_frames == entry->gfn &&
	       (entry->state & PAGEHINT_USAGE_MASK) == PAGEHINT_UNUSED;
}

static int check(struct pagehint_walk *walk, const struct pagehint_hc_entry *entry)
{
	int err = pagehint_check_entry(entry, false);

	/* What is stable may be anything: nothing is done to it. */
	if (err || (entry->state & PAGEHINT_USAGE_MASK) == PAGEHINT_STABLE)
		return err;
	return walk->ops->covers(walk->context, entry->gfn, entry->nr_frames);
}

static int set_one(struct pagehint_walk *walk, const struct pagehint_hc_entry *entry)
{
	if ((entry->state & PAGEHINT_USAGE_MASK) == PAGEHINT_STABLE)
		return walk->ops->forget(walk->context, entry->gfn, entry->nr_frames);
	return walk->ops->make_volatile(walk->context, entry->gfn, entry->nr_frames,
					entry->state >> PAGEHINT_TEMP_SHIFT);
}

/**
 * pagehint_walk_set_state - SET_STATE for a piece of a vector
 * @walk: the call
 * @entries: a copy of the piece
 * @nr: its entries
 *
 * All that comes before the first entry that is not done is in force, and
 * nothing of what comes after it.
 *
 * Return: entries done, less than @nr where the walk has ended.
 */
unsigned int pagehint_walk_set_state(struct pagehint_walk *walk,
				     const struct pagehint_hc_entry *entries, unsigned int nr)
{
	struct run run = { .nr = 0 };
	unsigned int done = 0;
	int err = 0;

	while (done < nr) {
		const struct pagehint_hc_entry *entry = &entries[done];

		if (done_enough(walk, done)) {
			walk->ended = true;
			break;
		}
		err = check(walk, entry);
		if (err)
			break;
		if (!continues(&run, entry)) {
			done = end_run(walk, &run, done);
			if (walk->ended)
				break;
		}
		walk->nr_frames += entry->nr_frames;
		if ((entry->state & PAGEHINT_USAGE_MASK) == PAGEHINT_UNUSED)
			add_to_run(&run, entry, done);
		else
			err = set_one(walk, entry);
		if (err)
			break;
		done++;
	}
	if (err) {
		walk->error = err;
		walk->ended = true;
	}
	done = end_run(walk, &run, done);
	walk->nr_done += done;
	return done;
}

/**
 * pagehint_walk_make_stable - MAKE_STABLE for a piece of a vector
 * @walk: the call
 * @entries: a copy of the piece; gets the results of what is done
 * @nr: its entries
 *
 * Return: entries done, less than @nr where the walk has ended.
 */
unsigned int pagehint_walk_make_stable(struct pagehint_walk *walk,
				       struct pagehint_hc_entry *entries, unsigned int nr)
{
	unsigned int done = 0;
	int result;

	while (done < nr && !walk->ended) {
		struct pagehint_hc_entry *entry = &entries[done];

		if (done_enough(walk, done)) {
			walk->ended = true;
			break;
		}
		result = pagehint_check_entry(entry, true);
		if (!result) {
			walk->nr_frames += entry->nr_frames;
			result = walk->ops->make_stable(walk->context, entry->gfn,
							entry->nr_frames);
		}
		if (result < 0) {
			walk->error = result;
			walk->ended = true;
			break;
		}
		entry->result = result;
		done++;
	}
	walk->nr_done += done;
	return done;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Backend essa: vectors of volatile frames, and free memory, as single instructions.
 *
 * The instruction is done when it ends: the host knows, and its answer is of that moment.
 * So a vector (module/teller.c) is nothing but a loop, which cannot fail half way, and
 * free memory needs neither claiming nor batches: a frame is told unused before
 * anybody else can allocate it, and stable before its new owner writes to it.
 *
 * Order of a frame's byte and the instruction, where free memory is the module's.
 * Freed: the byte becomes U, so that nobody begins to tell that it is volatile; who has
 * begun is waited for; then "unused". Allocated: the byte becomes S, then "stable".
 *
 * Context: any. No locks but those of the vector's frames.
 */
#include <pagehint/log.h>

#include <linux/kernel.h>
#include <linux/sched.h>

#include <compat/essa.h>
#include <pagehint/at_once.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>

#include "essa.h"

static __always_inline void count(enum pagehint_essa_operation operation, unsigned long nr)
{
	pagehint_count(PAGEHINT_ESSA_FIRST + operation, nr);
}

/* The host has no such frame: of the guest's memory it should. */
static void check(unsigned long pfn, unsigned int result)
{
	if (likely(!(result & (PAGEHINT_ESSA_FAULT | PAGEHINT_ESSA_FAILED))))
		return;
	pagehint_count(PAGEHINT_ESSA_FAILURES, 1);
	pr_warn_ratelimited("backend essa: the host did not take ESSA on frame %#lx (result %#x)\n",
			    pfn, result);
}

/**
 * pagehint_essa_tell - frames became volatile
 * @vector: which
 *
 * What the host had swapped out is gone by that, which it will say when it is asked.
 *
 * Context: interrupts off.
 * Return: all its entries.
 */
unsigned int pagehint_essa_tell(const struct pagehint_vector *vector)
{
	unsigned long at, nr = 0;
	unsigned int i;

	for (i = 0; i < vector->nr; i++) {
		const struct pagehint_hc_entry *entry = &vector->entries[i];

		for (at = entry->gfn; at < entry->gfn + entry->nr_frames; at++)
			check(at, pagehint_essa_set_volatile(at));
		nr += entry->nr_frames;
	}
	count(PAGEHINT_ESSA_SET_VOLATILE, nr);
	return vector->nr;
}

static unsigned int set_stable_if(unsigned long pfn)
{
	unsigned int result = pagehint_essa_set_stable_if(pfn);

	count(PAGEHINT_ESSA_SET_STABLE_IF, 1);
	return result;
}

static unsigned int set_stable(unsigned long pfn)
{
	unsigned int result = pagehint_essa_set_stable(pfn);

	count(PAGEHINT_ESSA_SET_STABLE, 1);
	check(pfn, result);
	return result;
}

/**
 * pagehint_essa_ask - frames are needed
 * @vector: which; gets the answers
 *
 * Context: interrupts off.
 * Return: all its entries.
 */
unsigned int pagehint_essa_ask(const struct pagehint_vector *vector)
{
	unsigned int i;

	for (i = 0; i < vector->nr; i++) {
		struct pagehint_hc_entry *entry = &vector->entries[i];
		unsigned long at;
		bool kept = true;

		for (at = entry->gfn; at < entry->gfn + entry->nr_frames; at++)
			kept &= pagehint_essa_take_back(at, set_stable_if, set_stable);
		entry->result = kept ? PAGEHINT_HC_RESULT_KEPT : PAGEHINT_HC_RESULT_DISCARDED;
	}
	return vector->nr;
}

/* Returns for which operation. */
static enum pagehint_essa_operation forget(unsigned long pfn, unsigned long nr)
{
	unsigned long at;

	if (static_branch_unlikely(&pagehint_at_once)) {
		for (at = pfn; at < pfn + nr; at++)
			check(at, pagehint_essa_set_unused(at));
		return PAGEHINT_ESSA_SET_UNUSED;
	}
	for (at = pfn; at < pfn + nr; at++)
		check(at, pagehint_essa_set_stable(at));
	return PAGEHINT_ESSA_SET_STABLE;
}

/**
 * pagehint_essa_repay - frames were freed since they were told volatile
 * @vector: which
 *
 * They are what they would be had they been told as they were freed.
 *
 * Context: interrupts off.
 * Return: all its entries.
 */
unsigned int pagehint_essa_repay(const struct pagehint_vector *vector)
{
	unsigned int i;

	for (i = 0; i < vector->nr; i++) {
		struct pagehint_hc_entry *entry = &vector->entries[i];

		count(forget(entry->gfn, entry->nr_frames), entry->nr_frames);
		entry->result = PAGEHINT_HC_RESULT_DISCARDED;
	}
	return vector->nr;
}

/**
 * pagehint_essa_is_gone - would an access to this frame be interrupted?
 * @pfn: of the table
 *
 * Context: any, NMI included.
 */
bool pagehint_essa_is_gone(unsigned long pfn)
{
	unsigned int result = pagehint_essa_get(pfn);

	count(PAGEHINT_ESSA_GET, 1);
	return pagehint_essa_is_discarded(result);
}

/**
 * pagehint_essa_make_usable - let this frame be accessed, whatever is in it
 * @pfn: of the table
 *
 * Whoever asks for its content later finds it stable, and that counts as gone.
 *
 * Context: any, NMI included.
 */
void pagehint_essa_make_usable(unsigned long pfn)
{
	set_stable(pfn);
}

/* ------------------------------------------------------------------------
 * Free memory
 */

DEFINE_STATIC_KEY_FALSE(pagehint_at_once);

/*
 * A frame that the host may have discarded while it was volatile is not even to be zeroed,
 * and the allocator does that before its events. So what is freed is volatile no more when
 * this is done: a CPU that is just telling it so is waited for. It has interrupts off
 * for one vector, and takes no lock.
 */
static void free_frame(unsigned long pfn)
{
	const u8 owed = PAGEHINT_UNUSED | PAGEHINT_BUSY;
	u8 *byte = pagehint_table_byte(pfn);

	while (unlikely(pagehint_is_in_call(READ_ONCE(*byte))))
		cpu_relax();
	check(pfn, pagehint_essa_set_unused(pfn));
	if (unlikely(READ_ONCE(*byte) == owed))
		pagehint_cmpxchg(byte, owed, (u8)PAGEHINT_UNUSED);
}

void pagehint_at_once_freed(unsigned long pfn, unsigned long nr_frames)
{
	unsigned long at;

	if (!pagehint_table_covers(pfn))
		return;
	for (at = pfn; at < pfn + nr_frames; at++)
		free_frame(at);
	count(PAGEHINT_ESSA_SET_UNUSED, nr_frames);
}

void pagehint_at_once_stable(unsigned long pfn, unsigned long nr_frames)
{
	unsigned long at;

	if (!pagehint_table_covers(pfn))
		return;
	/* No word about failures: it may be of memory that just went offline. */
	for (at = pfn; at < pfn + nr_frames; at++)
		pagehint_essa_set_stable(at);
	count(PAGEHINT_ESSA_SET_STABLE, nr_frames);
}

/**
 * pagehint_essa_all_stable - all of the guest's memory becomes stable
 *
 * Context: process, may sleep. Nobody tells of free memory any more.
 */
void pagehint_essa_all_stable(void)
{
	unsigned long at, end;
	unsigned int i;

	for (i = 0; i < pagehint_table.nr_ranges; i++) {
		at = pagehint_table.ranges[i].gfn;
		end = at + pagehint_table.ranges[i].nr_frames;
		for (; at < end; at++) {
			/* Offline memory, perhaps: no word about it. */
			pagehint_essa_set_stable(at);
			if (!(at % 512))
				cond_resched();
		}
		count(PAGEHINT_ESSA_SET_STABLE, pagehint_table.ranges[i].nr_frames);
	}
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Backend kvm: memory that the host refuses to hear of.
 *
 * An error costs all that the host was told: a host that answers with one has
 * forgotten everything. So a range that is refused each time it is told, as one
 * that is no memory of a kind that the host may take, must not be told each time.
 * After the first error the host is told one range at a time, until all has been
 * told once; the range that fails then is the one, and what lies in its pageblocks
 * is not hinted any more under this lease.
 *
 * A host may forget as soon as it comes to the range, and answer with the number of
 * entries before it: then it is the next call that fails, because nothing is known.
 *
 * Context: the worker, which alone tells; unless a function says otherwise.
 */
#include <pagehint/log.h>

#include <linux/bitmap.h>
#include <linux/kernel.h>
#include <linux/slab.h>

#include <compat/mm.h>
#include <pagehint/control.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>

#include "kvm.h"

#define UNIT	pageblock_nr_pages

static unsigned long *refused;	/* a bit a pageblock */
static unsigned long nr_bits;
static bool one_by_one;

static void mark(const struct pagehint_hc_entry *entry)
{
	unsigned long at = entry->gfn / UNIT;
	unsigned long end = DIV_ROUND_UP(entry->gfn + entry->nr_frames, UNIT);

	for (; at < end && at < nr_bits; at++) {
		if (!test_and_set_bit(at, refused))
			pagehint_count(PAGEHINT_HOST_REFUSED, UNIT);
	}
}

/**
 * pagehint_kvm_refused - telling the host of a range failed
 * @entry: the range
 * @error: what the host said, negative
 * @in_part: the entries before it, of the same vector, were done
 *
 * That it is not there says nothing of the range; that it has forgotten says something only
 * if it had not when it was told of the entry before.
 */
void pagehint_kvm_refused(const struct pagehint_hc_entry *entry, long error, bool in_part)
{
	bool forgot = error == -PAGEHINT_HC_ESTALE;

	if (error == -PAGEHINT_HC_ENOSYS || (forgot && !in_part) ||
	    pagehint_left_out("kvm_refused"))
		return;
	if (!one_by_one) {
		WRITE_ONCE(one_by_one, true);
		return;
	}
	if (forgot)
		return;
	pr_warn_ratelimited("backend kvm: the host refuses frames %#llx-%#llx (error %ld): they are not hinted any more\n",
			    entry->gfn, entry->gfn + entry->nr_frames - 1, error);
	mark(entry);
}

/**
 * pagehint_kvm_all_told - the host was told of all that there is, without an error
 */
void pagehint_kvm_all_told(void)
{
	WRITE_ONCE(one_by_one, false);
}

/**
 * pagehint_kvm_one_by_one - is each range to be told by itself?
 *
 * Context: any.
 */
bool pagehint_kvm_one_by_one(void)
{
	return READ_ONCE(one_by_one);
}

/**
 * pagehint_kvm_is_refused - is this a frame of which the host is not to be told?
 * @pfn: a frame of the table
 *
 * Context: any.
 */
bool pagehint_kvm_is_refused(unsigned long pfn)
{
	return test_bit(pfn / UNIT, refused);
}

/**
 * pagehint_kvm_refused_begin - a new lease: nothing is refused
 *
 * Context: under control_mutex, before the worker runs.
 */
void pagehint_kvm_refused_begin(void)
{
	bitmap_zero(refused, nr_bits);
	one_by_one = false;
}

/**
 * pagehint_kvm_refused_close - undo pagehint_kvm_refused_open()
 *
 * Context: process.
 */
void pagehint_kvm_refused_close(void)
{
	bitmap_free(refused);
	refused = NULL;
}

/**
 * pagehint_kvm_refused_open - memory for what is refused: 64 bytes for each GiB
 *
 * Context: process, may sleep; the table is laid out.
 * Return: 0 or -ENOMEM.
 */
int pagehint_kvm_refused_open(void)
{
	nr_bits = DIV_ROUND_UP(pagehint_table.nr_bytes, UNIT);
	refused = pagehint_fail_point() ? NULL : bitmap_zalloc(nr_bits, GFP_KERNEL);
	return refused ? 0 : -ENOMEM;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ESSA, the instruction of s390 by which a guest tells the state of one page frame, and
 * what its results mean. The instruction itself is in include/compat/essa.h.
 *
 * The result is the state *before* the operation: the usage that the guest had set
 * (0x0c) and where the host has the content (0x03). So one operation changes a state
 * and says whether the content was there, with nothing in between.
 *
 * Two hypervisors read operation 6 ("set stable, if ...") differently:
 *
 *	z/VM	unless the content was discarded: Vz stays, all else becomes stable
 *	KVM	only if the frame is resident (its PTE is valid): what is preserved in the
 *		host's swap, or has no content, stays as it was, U as well as V
 *
 * Under both a V or P that was resident is stable now. Of everything else the operation
 * alone does not say whether it is stable, nor, if it was preserved, whether the content
 * may be had: operation 1, which sets stable whatever there is, answers both.
 *
 * Also built in user space, for the tests.
 */
#ifndef _PAGEHINT_ESSA_H
#define _PAGEHINT_ESSA_H

#include <pagehint/platform.h>

enum pagehint_essa_operation {
	PAGEHINT_ESSA_GET,
	PAGEHINT_ESSA_SET_STABLE,
	PAGEHINT_ESSA_SET_UNUSED,
	PAGEHINT_ESSA_SET_VOLATILE,
	PAGEHINT_ESSA_SET_POTENTIAL,		/* potentially volatile */
	PAGEHINT_ESSA_SET_STABLE_RESIDENT,
	PAGEHINT_ESSA_SET_STABLE_IF,		/* operation 6: see above */
	PAGEHINT_ESSA_NR_OPERATIONS,
};

/* Results */
#define PAGEHINT_ESSA_CONTENT	0x03
#define PAGEHINT_ESSA_RESIDENT	0x00
#define PAGEHINT_ESSA_PRESERVED	0x02
#define PAGEHINT_ESSA_ZERO	0x03	/* there is none: reads as zeros, or not at all */
#define PAGEHINT_ESSA_USAGE	0x0c
#define PAGEHINT_ESSA_STABLE	0x00
#define PAGEHINT_ESSA_UNUSED	0x04
#define PAGEHINT_ESSA_POTENTIAL	0x08
#define PAGEHINT_ESSA_VOLATILE	0x0c
#define PAGEHINT_ESSA_FAILED	0x10	/* KVM: the host has no such frame; nothing changed */
#define PAGEHINT_ESSA_NODAT	0x20	/* no page table is in the frame; no matter here */
#define PAGEHINT_ESSA_RESULT	0x3f
/* Ours: the instruction did not end well. No result has this bit. */
#define PAGEHINT_ESSA_FAULT	0x100

/**
 * enum pagehint_essa_verdict - what a result says of a frame that was volatile
 * @PAGEHINT_ESSA_GONE: nobody says that the content is there. Perhaps not stable
 * @PAGEHINT_ESSA_KEPT: it is stable, and the content is there
 * @PAGEHINT_ESSA_UNDECIDED: not stable, and the content may be there
 */
enum pagehint_essa_verdict {
	PAGEHINT_ESSA_GONE,
	PAGEHINT_ESSA_KEPT,
	PAGEHINT_ESSA_UNDECIDED,
};

static inline bool pagehint_essa_is_usage(unsigned int result, unsigned int usage)
{
	return !(result & (PAGEHINT_ESSA_FAULT | PAGEHINT_ESSA_FAILED)) &&
	       (result & PAGEHINT_ESSA_USAGE) == usage;
}

/* What we told the host, or what it makes of that. */
static inline bool pagehint_essa_was_told(unsigned int result)
{
	return pagehint_essa_is_usage(result, PAGEHINT_ESSA_VOLATILE) ||
	       pagehint_essa_is_usage(result, PAGEHINT_ESSA_POTENTIAL);
}

/**
 * pagehint_essa_judge_if - the result of operation 6 on a frame that was told volatile
 * @result: of it
 *
 * Context: any.
 * Return: the verdict under both readings.
 */
static inline enum pagehint_essa_verdict pagehint_essa_judge_if(unsigned int result)
{
	if (!pagehint_essa_was_told(result))
		return PAGEHINT_ESSA_GONE;
	switch (result & PAGEHINT_ESSA_CONTENT) {
	case PAGEHINT_ESSA_RESIDENT:
		return PAGEHINT_ESSA_KEPT;
	case PAGEHINT_ESSA_PRESERVED:
		return PAGEHINT_ESSA_UNDECIDED;
	default:
		return PAGEHINT_ESSA_GONE;
	}
}

/**
 * pagehint_essa_judge_stable - the result of operation 1 on a frame that was told volatile
 * @result: of it
 *
 * Context: any.
 * Return: kept, or gone.
 */
static inline enum pagehint_essa_verdict pagehint_essa_judge_stable(unsigned int result)
{
	if (!pagehint_essa_was_told(result))
		return PAGEHINT_ESSA_GONE;
	switch (result & PAGEHINT_ESSA_CONTENT) {
	case PAGEHINT_ESSA_RESIDENT:
	case PAGEHINT_ESSA_PRESERVED:
		return PAGEHINT_ESSA_KEPT;
	default:
		return PAGEHINT_ESSA_GONE;
	}
}

/* Volatile, and dropped: under both readings operation 6 leaves it so. */
static inline bool pagehint_essa_is_discarded(unsigned int result)
{
	return pagehint_essa_is_usage(result, PAGEHINT_ESSA_VOLATILE) &&
	       (result & PAGEHINT_ESSA_CONTENT) == PAGEHINT_ESSA_ZERO;
}

/**
 * pagehint_essa_take_back - the content of a frame that was told volatile is needed
 * @pfn: which
 * @set_stable_if: operation 6
 * @set_stable: operation 1
 *
 * It is stable afterwards, but if it was discarded: then it stays so until the loss is
 * dealt with, so that whoever wrongly uses it meanwhile is interrupted
 * (docs/discard-faults.md); struct pagehint_backend has make_usable() for that.
 *
 * Context: any; nobody else does this with the frame at the same time.
 * Return: true if the host says that the content is there.
 */
static __always_inline bool
pagehint_essa_take_back(unsigned long pfn, unsigned int (*set_stable_if)(unsigned long pfn),
			unsigned int (*set_stable)(unsigned long pfn))
{
	unsigned int result = set_stable_if(pfn);
	enum pagehint_essa_verdict verdict = pagehint_essa_judge_if(result);

	if (likely(verdict == PAGEHINT_ESSA_KEPT))
		return true;
	if (pagehint_essa_is_discarded(result))
		return false;
	result = set_stable(pfn);
	return verdict == PAGEHINT_ESSA_UNDECIDED &&
	       pagehint_essa_judge_stable(result) == PAGEHINT_ESSA_KEPT;
}

#endif /* _PAGEHINT_ESSA_H */

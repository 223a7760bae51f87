/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters of the module: one set per CPU, added up when they are read.
 *
 * Counting is one instruction on the CPU's own set and may be done in any
 * context, NMI included. debugfs shows them under stable names; how they are
 * kept is nobody's business.
 */
#ifndef _PAGEHINT_STATS_H
#define _PAGEHINT_STATS_H

#include <linux/percpu.h>
#include <linux/types.h>

/*
 * Single frames and blocks are counted apart: for a single frame one count
 * tells the event and the frame.
 */
enum pagehint_counter {
	PAGEHINT_FREED_ONE,		/* order 0, STABLE -> UNUSED */
	PAGEHINT_FREED_ONE_AGAIN,	/* order 0, was not STABLE */
	PAGEHINT_FREED_BLOCKS,		/* order > 0, events */
	PAGEHINT_FREED_BLOCK_FRAMES,	/* their frames STABLE -> UNUSED */
	PAGEHINT_ALLOC_ONE,		/* order 0, UNUSED -> STABLE, still there */
	PAGEHINT_ALLOC_ONE_TAKEN,	/* order 0, the host had dropped it */
	PAGEHINT_ALLOC_ONE_PLAIN,	/* order 0, was not UNUSED */
	PAGEHINT_ALLOC_BLOCKS,		/* order > 0, events */
	PAGEHINT_ALLOC_BLOCK_FRAMES,	/* their frames UNUSED -> STABLE */
	PAGEHINT_ALLOC_BLOCK_TAKEN,	/* those of them the host had dropped */
	PAGEHINT_SCANNED,		/* frames found free at load */
	PAGEHINT_SWEPT,			/* frames made stable while free */
	PAGEHINT_SWEPT_TAKEN,		/* those of them the host had dropped */
	PAGEHINT_OUTSIDE_TABLE,		/* events for frames without a byte */
	PAGEHINT_BUSY_WAITS,		/* times the guest waited for the host */
	PAGEHINT_LOOP_DISCARDED,	/* frames the loop backend dropped */
	PAGEHINT_CALLS_BULK,		/* calls of the hooked functions */
	PAGEHINT_CALLS_ISOLATE,
	PAGEHINT_CALLS_COMPACTION,
	PAGEHINT_CALLS_PUTBACK,
	PAGEHINT_MADE_VOLATILE,		/* frames S -> V */
	PAGEHINT_VOLATILE_KEPT,		/* frames V -> S, whole */
	PAGEHINT_VOLATILE_DISCARDED,	/* frames V -> S of which the host took some */
	PAGEHINT_VOLATILE_FREED,	/* frames freed while V */
	PAGEHINT_REFAULTED,		/* frames found gone by somebody who reads */
	PAGEHINT_VOLATILE_EVICTED,	/* frames taken out of the cache for readahead */
	PAGEHINT_VOLATILE_IMPOSSIBLE,	/* frames said to be dropped that were never offered */
	PAGEHINT_FAULTED_GONE,		/* page faults on what the host had dropped */
	PAGEHINT_MAPPED_LOOKED,		/* looks at mapped folios */
	PAGEHINT_MAPPED_YOUNG,		/* that found them used since */
	PAGEHINT_MAPPED_HELD,		/* that found them locked, or in use otherwise */
	PAGEHINT_MAPPED_UNMAPPED,	/* frames unmapped, as nobody used them */
	PAGEHINT_MAPPED_CAME_BACK,	/* folios of those that were mapped again */
	PAGEHINT_LAZYFREE_FREED,	/* frames given up with MADV_FREE, freed */
	PAGEHINT_LAZYFREE_KEPT,		/* folios of those that were in use after all */
	PAGEHINT_SWAP_VOLATILE,		/* of swap cache: folios S -> V */
	PAGEHINT_SWAP_KEPT,		/* V -> S, whole */
	PAGEHINT_SWAP_LOST,		/* found gone, deleted from the swap cache */
	PAGEHINT_SWAP_EVICTED,		/* those of them that nobody had come for */
	PAGEHINT_HYPERCALLS,		/* backend kvm: calls */
	PAGEHINT_HINTED,		/* free frames the host was told of */
	PAGEHINT_CLAIMED,		/* frames claimed for that, and put back */
	PAGEHINT_CLAIMED_AGAIN,		/* those of them it had been told of before */
	PAGEHINT_NOT_ISOLATED,		/* blocks that could not be isolated for now */
	PAGEHINT_HOST_TOLD,		/* volatile frames the host was told of */
	PAGEHINT_HOST_KEPT,		/* and asked for, and they were there */
	PAGEHINT_HOST_GONE,		/* or were not */
	PAGEHINT_HOST_REPAID,		/* or were freed meanwhile */
	PAGEHINT_HOST_REFUSED,		/* frames the host does not want to hear of */
	PAGEHINT_HOST_LOST,		/* times it had forgotten, or was not there */
	PAGEHINT_ESSA_FIRST,		/* backend essa: one for each operation */
	PAGEHINT_ESSA_LAST = PAGEHINT_ESSA_FIRST + 6,
	PAGEHINT_ESSA_FAILURES,		/* the host did not take it */
	PAGEHINT_CANDIDATES,		/* folios marked by events */
	PAGEHINT_CALLS_SETTLE,
	PAGEHINT_CALLS_COPY,
	PAGEHINT_CALLS_FAULT,
	PAGEHINT_CALLS_WRITTEN,
	PAGEHINT_CALLS_UNMAP,
	PAGEHINT_CALLS_LAZYFREE,
	PAGEHINT_CALLS_SPLIT,
	PAGEHINT_CALLS_SWAP_GET,
	PAGEHINT_CALLS_SWAP_IN,
	PAGEHINT_CALLS_SWAP_CLUSTER,
	PAGEHINT_CALLS_SWAP_MOVE,
	PAGEHINT_DISCARD_FAULTS,	/* accesses that a getter should have seen first */
	PAGEHINT_DISCARD_REDONE,	/* and that were redone */
	PAGEHINT_DISCARD_ERRORS,	/* or ended with an error */
	PAGEHINT_DISCARD_ZEROS,		/* or found zeros */
	PAGEHINT_DISCARD_STALE,		/* recoveries that found nothing to do */
	PAGEHINT_DISCARD_EVICTED,	/* frames that left the page cache by them */
	PAGEHINT_DISCARD_REFILLED,	/* or were read again where they are */
	PAGEHINT_DISCARD_LOST,		/* or neither */
	PAGEHINT_DISCARD_LATE,		/* a getter found gone what is mapped or dirty */
	PAGEHINT_STAYED,		/* folios mapped as they are: volatile */
	PAGEHINT_STAY_FAULTS,		/* accesses to those of them that the host dropped */
	PAGEHINT_STAY_LEFT,		/* times one was found gone, and left to who locks it */
	PAGEHINT_STAY_RECOVERED,	/* that were gone and unmapped */
	PAGEHINT_STAY_READ_IN,		/* not stable when they were to be read in */
	PAGEHINT_STAY_WRITES,		/* or written to, or copied by a page fault */
	PAGEHINT_STAY_GUP,		/* GUP found one gone, and looked again */
	PAGEHINT_STAY_MLOCKS,		/* not stable when they were locked in memory */
	PAGEHINT_STAY_ISOLATED,		/* or isolated */
	PAGEHINT_STAY_MOVES,		/* migrations that failed because one is gone */
	PAGEHINT_CALLS_MAP,		/* test build */
	PAGEHINT_MAPPED_NOT_STABLE,	/* folios that were mapped while volatile */
	PAGEHINT_REFUSED_FIRST,		/* one for each enum pagehint_refusal */
	PAGEHINT_REFUSED_LAST = PAGEHINT_REFUSED_FIRST + 17,
	PAGEHINT_NR_COUNTERS,
};

struct pagehint_counters {
	u64 count[PAGEHINT_NR_COUNTERS];
	u64 busy_wait_max_ns;
};

DECLARE_PER_CPU(struct pagehint_counters, pagehint_counters);

static __always_inline void pagehint_count(enum pagehint_counter counter, u64 n)
{
	this_cpu_add(pagehint_counters.count[counter], n);
}

u64 pagehint_counter_sum(enum pagehint_counter counter);
int pagehint_stats_open(void);
void pagehint_stats_close(void);

#endif /* _PAGEHINT_STATS_H */

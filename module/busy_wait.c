// SPDX-License-Identifier: GPL-2.0
/*
 * The wait for the host, measured. In a file of its own, which is built without
 * ftrace sites: it also runs while a folio is being recovered, when nothing of
 * anybody else's may run on this CPU that could look that folio up.
 *
 * Context: any.
 */
#include <pagehint/log.h>

#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/percpu.h>

#include <pagehint/backend.h>
#include <pagehint/platform.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>
#include <uapi/pagehint.h>

#include "trace.h"

u8 pagehint_wait_not_busy(u8 *byte)
{
	u64 begin, ns;
	u8 state;

	/* A host that is told by calls is not waited for, but asked. */
	if (pagehint_backend->settle)
		return pagehint_backend->settle(byte);
	begin = ktime_get_mono_fast_ns();
	do {
		cpu_relax();
		state = READ_ONCE(*byte);
	} while (state & PAGEHINT_BUSY);
	ns = ktime_get_mono_fast_ns() - begin;

	pagehint_count(PAGEHINT_BUSY_WAITS, 1);
	/* An interrupt in between may lose one maximum: it is a statistic. */
	if (ns > this_cpu_read(pagehint_counters.busy_wait_max_ns))
		this_cpu_write(pagehint_counters.busy_wait_max_ns, ns);
	/*
	 * With interrupts off this may be a recovery, and a BPF program on the
	 * tracepoint may look for the build ID of a file: of that folio, and
	 * wait for this CPU for ever.
	 */
	if (!irqs_disabled())
		trace_pagehint_busy_wait(ns);
	return state;
}

/**
 * pagehint_wait_folio_not_busy - wait for the host before a folio becomes stable
 * @first: state of its first frame
 * @nr_frames: how many it has
 *
 * So that as little as possible of the wait is one with interrupts off.
 *
 * Context: any but NMI.
 */
void pagehint_wait_folio_not_busy(u8 *first, unsigned long nr_frames)
{
	const struct pagehint_span folio = { first - pagehint_table.bytes, nr_frames };

	if (pagehint_backend->ask)
		pagehint_backend->ask(&folio, 1);
	else
		pagehint_wait_not_busy(first);
}

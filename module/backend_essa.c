// SPDX-License-Identifier: GPL-2.0
/*
 * essa: on s390x the host is told by an instruction, one for each transition of a frame
 * (docs/essa.md). Page cache is told and asked for as every host is that sees nothing
 * of the table: module/teller.c and its thread. Free memory is
 *
 * - the kernel's own business where its CMMA is on (the default): its arch_free_page()
 *   says "unused" of what is freed, volatile frames too, and its arch_alloc_page() "stable".
 *   The module leaves both alone;
 * - the module's with cmma=off: the same two, at the allocator's events that it hooks
 *   anyway (include/pagehint/at_once.h).
 *
 * There is no lease with such a host: it acts on what it is told for as long as the
 * machine runs. So what ends is what the guest says: at the end of the lease every frame
 * of which the module told anything is stable.
 *
 * Context: process, under control_mutex, but for what the teller calls.
 */
#include <pagehint/log.h>

#include <linux/rcupdate.h>
#include <linux/tracepoint.h>

#include <pagehint/at_once.h>
#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/essa.h>
#include <pagehint/page_state.h>
#include <pagehint/parameters.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>
#include <pagehint/teller.h>

#include "essa.h"

static struct pagehint_essa_host host;
static bool listening;

static unsigned int delay_ms = 500;
static struct pagehint_limits delay_limits = { &delay_ms, 1, 60000 };
module_param_cb(essa_delay_ms, &pagehint_limited_ops, &delay_limits, 0644);
MODULE_PARM_DESC(essa_delay_ms, "backend=essa: pause between two looks for page cache that the host is to be told of, in milliseconds, 1 to 60000; live; default 500");

static bool is_listening(void)
{
	return READ_ONCE(listening);
}

static unsigned int say(enum pagehint_said said, struct pagehint_vector *vector)
{
	if (!is_listening())
		return 0;
	switch (said) {
	case PAGEHINT_TELL:
		return pagehint_essa_tell(vector);
	case PAGEHINT_ASK:
		return pagehint_essa_ask(vector);
	case PAGEHINT_REPAY:
		return pagehint_essa_repay(vector);
	}
	return 0;
}

/* A vector is a loop with interrupts off: in frames it is short. */
static unsigned int entries(void)
{
	return PAGEHINT_VECTOR_MAX;
}

static bool takes_volatile(void)
{
	return host.takes_volatile;
}

static const struct pagehint_teller teller = {
	.name = "essa",
	.say = say,
	.entries = entries,
	.listens = is_listening,
	.takes_volatile = takes_volatile,
	.delay_ms = &delay_ms,
	.max_frames = 512,
};

static int essa_open(char *why)
{
	int err = pagehint_essa_probe(&host, why);

	if (err)
		return err;
	err = pagehint_own_table_open(why);
	if (err)
		return err;
	err = pagehint_teller_open(&teller);
	if (err) {
		snprintf(why, PAGEHINT_WHY_BYTES,
			 "no memory for a vector for each CPU: free some and load again");
		pagehint_own_table_close();
		return err;
	}
	if (host.kernel_hints)
		pr_info("backend essa: the kernel hints free memory itself (CMMA), the module page cache only; with cmma=off on the kernel's command line it does both\n");
	return 0;
}

static void essa_close(void)
{
	pagehint_teller_close();
	pagehint_own_table_close();
}

static int essa_lease_begin(void)
{
	int err;

	WRITE_ONCE(listening, true);
	err = pagehint_teller_start();
	if (err)
		WRITE_ONCE(listening, false);
	else if (!host.kernel_hints)
		static_branch_enable(&pagehint_at_once);
	return err;
}

/*
 * What the host was told or found to have dropped, and what nobody has made usable yet: so
 * that the next kernel, or a crash kernel, can read all of this memory. Volatile frames only:
 * those that are unused nobody wants to read, and reading them is no error.
 */
static void all_usable(void)
{
	const u64 bits = 0x0101010101010101ULL * (PAGEHINT_BUSY | PAGEHINT_ABSENT);
	unsigned long pfn = 0, end = pagehint_table.nr_bytes;

	while (pfn < end) {
		const u8 *byte = pagehint_table_byte(pfn);
		u8 state;

		if (IS_ALIGNED(pfn, 8) && pfn + 8 <= end &&
		    !(READ_ONCE(*(const u64 *)byte) & bits)) {
			pfn += 8;
			continue;
		}
		state = READ_ONCE(*byte);
		if ((state & PAGEHINT_BUSY) || pagehint_state_is_volatile_absent(state))
			pagehint_essa_make_usable(pfn);
		pfn++;
	}
}

/*
 * The hooks may still be attached (at a reboot): so what they tell has to end before all
 * is made stable. They run with preemption off.
 */
static void essa_lease_end(u32 leaving, bool for_sure)
{
	pagehint_teller_stop();
	pagehint_teller_ask_each(0, pagehint_table.nr_bytes);
	WRITE_ONCE(listening, false);
	all_usable();
	if (host.kernel_hints)
		return;
	static_branch_disable(&pagehint_at_once);
	tracepoint_synchronize_unregister();
	pagehint_essa_all_stable();
}

static void essa_lease_end_atomic(u32 leaving)
{
	WRITE_ONCE(listening, false);
	all_usable();
}

static bool kernel_hints(void)
{
	return host.kernel_hints;
}

static bool interrupts(void)
{
	return host.interrupts;
}

static void essa_show(struct seq_file *m)
{
	seq_printf(m, "host essa, page cache %s\n", host.takes_volatile ? "taken" :
		   "not taken: it does not remember volatile pages");
	seq_printf(m, "free_memory hinted by %s\n", host.kernel_hints ?
		   "the kernel (cmma=on): the module leaves unused and stable alone" :
		   "the module (cmma=off)");
}

const struct pagehint_backend pagehint_backend_essa = {
	.name = "essa",
	.open = essa_open,
	.close = essa_close,
	.lease_begin = essa_lease_begin,
	.lease_end = essa_lease_end,
	.lease_end_atomic = essa_lease_end_atomic,
	.takes_volatile = takes_volatile,
	.kernel_hints = kernel_hints,
	.ask = pagehint_teller_ask,
	.ask_each = pagehint_teller_ask_each,
	.settle = pagehint_teller_settle,
	.nr_dropped = pagehint_teller_nr_gone,
	.is_gone = pagehint_essa_is_gone,
	.interrupts = interrupts,
	.make_usable = pagehint_essa_make_usable,
	.show = essa_show,
};

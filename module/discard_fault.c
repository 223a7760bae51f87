// SPDX-License-Identifier: GPL-2.0
/*
 * What a CPU does that used a frame which the host had dropped, by where it was:
 *
 *   user mode                    waits for the recovery, and redoes the access
 *   kernel, copies user memory,  the same; if it fails, as below
 *     page faults allowed
 *   kernel, with an entry in     the access ends with the error that it is
 *     the exception table        prepared for; the recovery goes on behind it
 *   kernel, anything else        waits, spinning, for a recovery on another CPU, if
 *                                interrupts are on; and redoes the access
 *   all else fails               the access is redone and finds zeros; the page is
 *                                not uptodate. Counted by itself
 *
 * It never dies, and it never warns by WARN(), which kills with panic_on_warn. Every
 * one is a hook that is missing, or somebody who reads what he does not look up and
 * stands to be refused (/proc/kcore): counted, and written to the log. But where folios
 * stay volatile while they are mapped (module/stay.c), it is how a program comes to
 * a mapped page that the host dropped, and as usual as a page fault.
 *
 * Context: that of the access: any, with any locks of others held. Takes none.
 */
#include <pagehint/log.h>

#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sched/signal.h>

#include <compat/call.h>
#include <compat/discard_fault.h>
#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/discard_fault.h>
#include <pagehint/stay.h>
#include <pagehint/volatile.h>

/* So often a task that may sleep asks for one frame. */
#define TRIES	10
/* So long a CPU spins: disks answer in less, and it is no lockup to anybody yet (20 s). */
#define SPIN_NS	(5 * NSEC_PER_SEC)

static bool is_open;	/* under control_mutex */

static bool no_fixup(struct pt_regs *regs)
{
	return false;
}

PAGEHINT_CALL_DEFINE(fixup_exception_call, no_fixup);

/**
 * pagehint_discard_set_fixup - where the kernel's fixup_exception() is
 * @address: of it
 *
 * Context: process, at load.
 */
void pagehint_discard_set_fixup(unsigned long address)
{
	PAGEHINT_CALL_SET(fixup_exception_call, address);
}

/*
 * Sleeping. True if the access is to be redone. Where it is as usual as a page fault, it
 * takes as long as it takes.
 */
static bool recover_asleep(unsigned long pfn, unsigned long from)
{
	enum pagehint_recovery state = PAGEHINT_RECOVERY_WAITS;
	unsigned int tries;

	for (tries = 0; !fatal_signal_pending(current); tries++) {
		int at = pagehint_recovery_ask(pfn, from);
		bool usual = pagehint_stay_on() && pagehint_backend->is_gone(pfn);

		state = pagehint_recovery_wait(at, pfn);
		if (state == PAGEHINT_RECOVERED)
			break;
		if (!usual && (tries == TRIES || (at >= 0 && state == PAGEHINT_LOST)))
			break;
		msleep(20);
	}
	return state == PAGEHINT_RECOVERED;
}

/*
 * Spinning, for who has no other way to go on than right. The work runs on another CPU,
 * and needs none of what this one may hold but in the worst case the folio lock: then
 * it does not come, and this ends without it.
 */
static bool recover_spinning(int at, unsigned long pfn)
{
	u64 end = ktime_get_mono_fast_ns() + SPIN_NS;
	enum pagehint_recovery state;

	if (irqs_disabled() || num_online_cpus() == 1)
		return false;
	do {
		cpu_relax();
		state = pagehint_recovery_state(at, pfn);
	} while (state == PAGEHINT_RECOVERY_WAITS && ktime_get_mono_fast_ns() < end);
	return state == PAGEHINT_RECOVERED;
}

/*
 * The access finds zeros, and whoever looks the page up afterwards reads it again. In
 * an NMI no folio can be recovered: there the host says, when it is asked, that the
 * frame is no longer volatile, and that counts as gone.
 */
static void give_zeros(unsigned long pfn)
{
	struct folio *folio = in_nmi() ? NULL : pagehint_recovery_hold(pfn);

	if (folio) {
		if (folio_pfn(folio) < READ_ONCE(pagehint_volatile_end))
			pagehint_volatile_make_stable(folio);
		folio_put(folio);
	}
	if (pagehint_backend->is_gone(pfn))
		pagehint_backend->make_usable(pfn);
	pagehint_count(PAGEHINT_DISCARD_ZEROS, 1);
}

/* As a page fault on it: it is waited for, for as long as that takes. */
static void fault_on_mapped(unsigned long pfn)
{
	do {
		if (pagehint_recovery_now(pfn))
			return;
		msleep(20);
	} while (pagehint_backend->is_gone(pfn) && !fatal_signal_pending(current));
}

static void fault_in_user_mode(unsigned long pfn)
{
	pagehint_fault_nullified();
	if (pagehint_stay_on()) {
		fault_on_mapped(pfn);
		return;
	}
	if (recover_asleep(pfn, 0)) {
		pagehint_count(PAGEHINT_DISCARD_REDONE, 1);
		return;
	}
	/* Redone, it is a page fault that fails by itself; unless nothing of ours is there. */
	if (fatal_signal_pending(current) || !pagehint_backend->is_gone(pfn))
		return;
	pagehint_count(PAGEHINT_DISCARD_ERRORS, 1);
	force_sig(SIGBUS);
}

static void fault_in_kernel(struct pt_regs *regs, unsigned long pfn)
{
	unsigned long from = instruction_pointer(regs);
	int at = -1;

	if (pagehint_fault_may_sleep(regs) && !pagehint_left_out("discard_sleep")) {
		if (recover_asleep(pfn, from)) {
			pagehint_count(PAGEHINT_DISCARD_REDONE, 1);
			return;
		}
	} else {
		at = pagehint_recovery_ask(pfn, from);
	}
	if (PAGEHINT_CALL(fixup_exception_call)(regs)) {
		pagehint_count(PAGEHINT_DISCARD_ERRORS, 1);
		return;
	}
	if (at >= 0 && recover_spinning(at, pfn))
		pagehint_count(PAGEHINT_DISCARD_REDONE, 1);
	else
		give_zeros(pfn);
}

/**
 * pagehint_discard_fault - an access was interrupted: its frame's content is gone
 * @regs: the interrupted context; the access did not happen
 *
 * Context: that of the access; sleeps only where a page fault may.
 */
void pagehint_discard_fault(struct pt_regs *regs)
{
	unsigned long pfn = pagehint_discard_fault_pfn(regs);

	if (pagehint_stay_on() && (user_mode(regs) || pagehint_recovery_is_usual(pfn)))
		pagehint_count(PAGEHINT_STAY_FAULTS, 1);
	else
		pagehint_count(PAGEHINT_DISCARD_FAULTS, 1);
	pagehint_test_delay("discard_fault");
	if (user_mode(regs))
		fault_in_user_mode(pfn);
	else
		fault_in_kernel(regs, pfn);
}

/**
 * pagehint_discard_late - a getter found that a folio is gone, and it is mapped or dirty
 * @pfn: its first frame; not uptodate by now
 *
 * Somebody came before, by a way without a getter. Until it is unmapped the frame stays
 * one that interrupts its users. Who reads the page in before that may fail: an error, and
 * no wrong content.
 *
 * Context: any but NMI.
 */
void pagehint_discard_late(unsigned long pfn)
{
	/* The recovery itself makes folios stable. */
	if (pagehint_recovery_is_asked(pfn))
		return;
	pagehint_count(PAGEHINT_DISCARD_LATE, 1);
	pagehint_recovery_ask(pfn, _RET_IP_);
}

/**
 * pagehint_discard_open - take discard faults, if the host has them
 *
 * Context: process, may sleep; before anything is volatile.
 * Return: 0, or an error with nothing attached and a line in the log.
 */
int pagehint_discard_open(void)
{
	int err;

	if (!pagehint_backend->is_gone)
		return 0;
	err = pagehint_recovery_open();
	if (err) {
		pr_err("no memory for what recovers pages: free some and try again\n");
		return err;
	}
	err = pagehint_discard_hooks_attach();
	if (err)
		pagehint_recovery_close();
	is_open = !err;
	return err;
}

/**
 * pagehint_discard_close - undo pagehint_discard_open()
 *
 * Context: process, may sleep; nothing is volatile any more.
 */
void pagehint_discard_close(void)
{
	if (!pagehint_backend->is_gone || !is_open)
		return;
	is_open = false;
	/* Nothing is volatile, but what a getter found too late may not be usable yet. */
	pagehint_recovery_flush();
	pagehint_discard_hooks_detach();
	pagehint_recovery_close();
}

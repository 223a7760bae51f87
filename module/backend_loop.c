// SPDX-License-Identifier: GPL-2.0
/*
 * loop: a hostile host inside the guest. A thread takes every frame that it
 * may, as fast as it can: unused frames are overwritten with zeros, volatile
 * ones with garbage. A hint that is wrong, late or racing becomes a wrong
 * checksum. Runs on any architecture without any device.
 *
 * From BUSY to ABSENT interrupts are off: the guest spins on BUSY in any
 * context, and would wait for ever on a thread that it had preempted.
 *
 * The thread never sleeps when loop_pause_us is 0, so it has to report its
 * quiescent states to RCU-tasks itself: attaching hooks waits for those.
 *
 * The drop follows the host's order in include/uapi/pagehint.h; the lease is
 * the thread's life.
 */
#include <pagehint/log.h>

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/string.h>

#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/page_state.h>
#include <pagehint/platform.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>

#define GARBAGE	0x5a

/* So many bytes of the table are looked at between two chances to reschedule. */
#define LOOK_STEP	4096UL

static struct task_struct *thread;
static bool stop_now;

/* The host's moves as compare-and-swap loops; false: the move is not allowed. */
static bool claim(unsigned long pfn)
{
	u8 *byte = pagehint_table_byte(pfn), old = READ_ONCE(*byte);

	return !pagehint_test_spared(pfn) && pagehint_host_may_claim(old) &&
	       pagehint_cmpxchg(byte, old, pagehint_host_claim(old)) == old;
}

static void overwrite(unsigned long pfn, u8 value)
{
	memset(page_address(pfn_to_page(pfn)), value, PAGE_SIZE);
}

/*
 * Garbage for volatile content, which nobody may read; zeros for unused
 * frames, as the contract promises. A volatile frame that is freed meanwhile
 * is unused, so it is zeroed before ABSENT says so; it cannot turn back, and
 * its next owner waits for BUSY.
 */
static void drop(unsigned long pfn)
{
	u8 *byte = pagehint_table_byte(pfn);
	u8 old = READ_ONCE(*byte), seen;
	bool zeros = !pagehint_state_is_volatile(old);

	overwrite(pfn, zeros ? 0 : GARBAGE);
	while (pagehint_host_owns(old)) {
		if (!zeros && !pagehint_state_is_volatile(old)) {
			overwrite(pfn, 0);
			zeros = true;
		}
		/* A full barrier: the content is written before ABSENT. */
		seen = pagehint_cmpxchg(byte, old, pagehint_host_dropped(old));
		if (seen == old)
			return;
		old = seen;
	}
}

/* Takes up to one batch from @pfn on; returns the frame behind it. */
static unsigned long take(unsigned long pfn, unsigned long end)
{
	unsigned long first = pfn, i, flags;
	unsigned int batch = READ_ONCE(pagehint_loop_batch);
	unsigned int hold_us = READ_ONCE(pagehint_loop_hold_us);

	local_irq_save(flags);
	while (pfn < end && pfn - first < batch && claim(pfn))
		pfn++;
	smp_mb();	/* every claim before the first change of content */
	if (hold_us && pfn > first)
		udelay(hold_us);
	for (i = first; i < pfn; i++)
		drop(i);
	local_irq_restore(flags);
	pagehint_count(PAGEHINT_LOOP_DISCARDED, pfn - first);
	return pfn;
}

static bool stopping(void)
{
	return kthread_should_stop() || READ_ONCE(stop_now);
}

static void take_range(unsigned long pfn, unsigned long end)
{
	unsigned long looked = 0;

	while (pfn < end && !stopping()) {
		if (!pagehint_host_may_claim(READ_ONCE(*pagehint_table_byte(pfn)))) {
			pfn++;
			if (!(++looked % LOOK_STEP))
				cond_resched_tasks_rcu_qs();
			continue;
		}
		pfn = max(take(pfn, end), pfn + 1);
		cond_resched_tasks_rcu_qs();
	}
}

static int loop_thread(void *unused)
{
	unsigned int i;

	while (!stopping()) {
		unsigned int pause_us = READ_ONCE(pagehint_loop_pause_us);

		for (i = 0; i < pagehint_table.nr_ranges && !stopping(); i++) {
			const struct pagehint_range *range = &pagehint_table.ranges[i];

			take_range(range->gfn, range->gfn + range->nr_frames);
		}
		if (pause_us)
			usleep_range(pause_us, pause_us + 1);
		else
			cond_resched_tasks_rcu_qs();
	}
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ / 10);
	return 0;
}

static int loop_lease_begin(void)
{
	struct task_struct *task;
	int err = pagehint_fail_point();

	if (err)
		return err;
	WRITE_ONCE(stop_now, false);
	task = kthread_run(loop_thread, NULL, "pagehint_loop");
	if (IS_ERR(task)) {
		pr_err("backend loop: its thread did not start (error %ld): free some memory and load again\n",
		       PTR_ERR(task));
		return PTR_ERR(task);
	}
	thread = task;
	return 0;
}

static u64 loop_nr_dropped(void)
{
	return pagehint_counter_sum(PAGEHINT_LOOP_DISCARDED);
}

static void loop_lease_end(u32 leaving, bool for_sure)
{
	if (thread)
		kthread_stop(thread);
	thread = NULL;
}

/* The other CPUs are stopped or soon see it: nothing more can be done here. */
static void loop_lease_end_atomic(u32 leaving)
{
	WRITE_ONCE(stop_now, true);
}

static void loop_show(struct seq_file *m)
{
	seq_printf(m, "host loop: a thread of the guest, pause_us %u hold_us %u batch %u, %s\n",
		   pagehint_loop_pause_us, pagehint_loop_hold_us,
		   pagehint_loop_batch, thread ? "running" : "stopped");
}

const struct pagehint_backend pagehint_backend_loop = {
	.name = "loop",
	.open = pagehint_own_table_open,
	.close = pagehint_own_table_close,
	.lease_begin = loop_lease_begin,
	.lease_end = loop_lease_end,
	.lease_end_atomic = loop_lease_end_atomic,
	.nr_dropped = loop_nr_dropped,
	.show = loop_show,
};

// SPDX-License-Identifier: GPL-2.0
/*
 * Test build, backend=kvm fake_host=1: a hostile host inside the guest answers the
 * calls, so that the hypercall transport runs, and is tested, in VMs without KVM.
 *
 * Unused frames are overwritten with zeros before the call returns, after a pause
 * in which a frame that is not claimed will be in use. Volatile ones are dropped at
 * any time from the call on by a thread that does nothing else, or when they are
 * asked for: with garbage, or zeros if they were freed since, as every host's
 * dropped memory reads. Of a vector it does as much as it likes, and now and then
 * it forgets everything or answers nonsense (fake_forget), or is not there (fake_gone).
 *
 * A hint that is wrong, late or racing becomes a wrong checksum; and a frame that
 * is hinted as unused but not claimed is complained about at once.
 *
 * Locks: fake_lock, innermost, with interrupts off: a frame's content and what is
 * known of it.
 */
#include <pagehint/log.h>

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>

#include "kvm.h"

#define GARBAGE	0x5a

bool pagehint_fake_host;
module_param_named(fake_host, pagehint_fake_host, bool, 0444);
MODULE_PARM_DESC(fake_host, "Test build: backend=kvm speaks to a hostile host in the guest; default 0");

static unsigned int fake_forget;
module_param(fake_forget, uint, 0644);
MODULE_PARM_DESC(fake_forget, "Test build: of about so many calls one makes the fake host forget everything, or answer nonsense; live; default 0 (never)");

static bool fake_gone;
module_param(fake_gone, bool, 0644);
MODULE_PARM_DESC(fake_gone, "Test build: the fake host has forgotten everything and answers as a stock host; live; default 0");

static unsigned int fake_part = 16;
module_param(fake_part, uint, 0444);
MODULE_PARM_DESC(fake_part, "Test build: of about so many entries one is the last that the fake host does in a call; default 16, 0: it does all of them");

static unsigned int fake_order;
module_param(fake_order, uint, 0444);
MODULE_PARM_DESC(fake_order, "Test build: the order that the fake host prefers; default 0");

static unsigned long fake_refuse[4];
static unsigned int nr_fake_refuse;
module_param_array(fake_refuse, ulong, &nr_fake_refuse, 0444);
MODULE_PARM_DESC(fake_refuse, "Test build: frames (up to 4) of which the fake host does not want to hear; default none");

static bool fake_idle;
module_param(fake_idle, bool, 0444);
MODULE_PARM_DESC(fake_idle, "Test build: the fake host answers at once and drops nothing, for measuring what the guest does; default 0");

static bool fake_stable;
module_param(fake_stable, bool, 0444);
MODULE_PARM_DESC(fake_stable, "Test build: the fake host takes no page cache; default 0");

enum known {
	NOTHING,
	THERE,		/* volatile */
	DROPPED,	/* volatile, and gone */
};

static DEFINE_RAW_SPINLOCK(fake_lock);
static u8 *known;		/* a byte a frame, enum known */
static u64 fake_cookie;		/* 0: has forgotten */
static struct task_struct *thread;

static bool one_in(unsigned int n)
{
	return n && get_random_u32() % n == 0;
}

static bool is_freed(unsigned long pfn)
{
	return (READ_ONCE(*pagehint_table_byte(pfn)) & PAGEHINT_USAGE_MASK) ==
	       PAGEHINT_UNUSED;
}

static void overwrite(unsigned long pfn, u8 value)
{
	memset(page_address(pfn_to_page(pfn)), value, PAGE_SIZE);
}

/* Under fake_lock. */
static void drop(unsigned long pfn)
{
	overwrite(pfn, GARBAGE);
	/* Freed by now: it may be zeroed at this moment, and its next owner waits for us. */
	smp_mb();
	if (is_freed(pfn))
		overwrite(pfn, 0);
	known[pfn] = DROPPED;
	pagehint_count(PAGEHINT_LOOP_DISCARDED, 1);
}

/* Under fake_lock. Some of it is dropped before: nobody will ever say which. */
static void forget(void)
{
	unsigned long pfn, nr = 0;

	for (pfn = 0; pfn < pagehint_table.nr_bytes; pfn++) {
		if (known[pfn] == THERE && nr++ < 64)
			drop(pfn);
		/* Freed, and perhaps not empty: as every host's dropped memory reads. */
		if (known[pfn] == DROPPED && is_freed(pfn))
			overwrite(pfn, 0);
		known[pfn] = NOTHING;
	}
	fake_cookie = 0;
}

static long query(struct pagehint_hc_query *answer)
{
	forget();
	do {
		fake_cookie = get_random_u64();
	} while (!fake_cookie);
	answer->version = PAGEHINT_VERSION;
	answer->max_entries = PAGEHINT_VECTOR_MAX;
	answer->features = PAGEHINT_F_UNUSED | PAGEHINT_F_ZERO;
	if (!fake_stable)
		answer->features |= PAGEHINT_F_VOLATILE | PAGEHINT_F_TEMPERATURE;
	answer->cookie = fake_cookie;
	answer->unused_order = fake_order;
	return 0;
}

static bool is_claimed(unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);

	return !page_ref_count(page) && !PageBuddy(page) && !PageLRU(page);
}

/*
 * Without the lock: nobody else may know of these frames. Whether each of them is
 * claimed is looked at on both sides of the pause.
 */
static void drop_unused(const struct pagehint_hc_entry *entry)
{
	unsigned int hold_us = READ_ONCE(pagehint_loop_hold_us);
	unsigned long i, nr_wrong = 0;

	for (i = 0; i < entry->nr_frames; i++)
		nr_wrong += !is_claimed(entry->gfn + i);
	if (hold_us)
		udelay(hold_us);
	for (i = 0; i < entry->nr_frames; i++) {
		nr_wrong += !is_claimed(entry->gfn + i);
		overwrite(entry->gfn + i, 0);
	}
	pagehint_count(PAGEHINT_LOOP_DISCARDED, entry->nr_frames);
	if (nr_wrong && !pagehint_left_out("kvm_claim"))
		pr_err("BUG: fake host: %lu frames from %#llx on were hinted and not claimed\n",
		       nr_wrong, entry->gfn);
}

/* Under fake_lock. */
static void set_known(const struct pagehint_hc_entry *entry, enum known now)
{
	unsigned long i;

	for (i = 0; i < entry->nr_frames; i++) {
		/* What is gone does not come back by saying so. */
		if (now != THERE || known[entry->gfn + i] != DROPPED)
			known[entry->gfn + i] = now;
	}
}

/* Under fake_lock. */
static u8 make_stable(const struct pagehint_hc_entry *entry)
{
	bool kept = true;
	unsigned long i;

	for (i = 0; i < entry->nr_frames; i++) {
		unsigned long pfn = entry->gfn + i;

		if (known[pfn] == THERE && !pagehint_test_spared(pfn) && one_in(3))
			drop(pfn);
		kept = kept && known[pfn] == THERE;
		if (known[pfn] == DROPPED && is_freed(pfn))
			overwrite(pfn, 0);
		known[pfn] = NOTHING;
	}
	return kept ? PAGEHINT_HC_RESULT_KEPT : PAGEHINT_HC_RESULT_DISCARDED;
}

static bool is_refused(const struct pagehint_hc_entry *entry)
{
	unsigned int i;

	for (i = 0; i < nr_fake_refuse; i++) {
		if (fake_refuse[i] >= entry->gfn &&
		    fake_refuse[i] < entry->gfn + entry->nr_frames)
			return true;
	}
	return false;
}

/* Under fake_lock. */
static long stale(u64 cookie)
{
	if (READ_ONCE(fake_gone)) {
		if (fake_cookie)
			forget();
		return -PAGEHINT_HC_ENOSYS;
	}
	if (one_in(READ_ONCE(fake_forget)))
		forget();
	return !fake_cookie || fake_cookie != cookie ? -PAGEHINT_HC_ESTALE : 0;
}

/* Returns 1, or an error: then it has forgotten everything. */
static long one_entry(unsigned int operation, struct pagehint_hc_entry *entry, u64 cookie)
{
	u8 usage = entry->state & PAGEHINT_USAGE_MASK;
	unsigned long flags;
	long err;

	raw_spin_lock_irqsave(&fake_lock, flags);
	err = stale(cookie);
	if (!err && (entry->gfn + entry->nr_frames > pagehint_table.nr_bytes ||
		     !entry->nr_frames || entry->reserved ||
		     (operation == PAGEHINT_HC_MAKE_STABLE && entry->state))) {
		pr_err("BUG: fake host: entry %#llx+%u state %#x is malformed\n", entry->gfn,
		       entry->nr_frames, entry->state);
		forget();
		err = -PAGEHINT_HC_EINVAL;
	}
	if (!err && operation == PAGEHINT_HC_SET_STATE && is_refused(entry)) {
		forget();
		err = -PAGEHINT_HC_EFAULT;
	}
	if (!err && operation == PAGEHINT_HC_MAKE_STABLE)
		entry->result = make_stable(entry);
	else if (!err)
		set_known(entry, usage == PAGEHINT_VOLATILE ? THERE : NOTHING);
	raw_spin_unlock_irqrestore(&fake_lock, flags);
	if (err)
		return err;
	if (operation == PAGEHINT_HC_SET_STATE && usage == PAGEHINT_UNUSED)
		drop_unused(entry);
	return 1;
}

/* More entries than there were: the guest cannot tell what that host believes. */
static long nonsense(unsigned long count)
{
	return one_in(2) ? count + 1 : LONG_MAX;
}

/* One that costs nothing. */
static void answer_idly(unsigned int operation, struct pagehint_hc_entry *entries,
			unsigned long count)
{
	unsigned long i;

	for (i = 0; i < count && operation == PAGEHINT_HC_MAKE_STABLE; i++)
		entries[i].result = PAGEHINT_HC_RESULT_KEPT;
}

/**
 * pagehint_fake_host_call - answers a call as a host would
 * @operation: PAGEHINT_HC_*
 * @gpa: of the entries, or of a query's answer
 * @count: entries
 * @cookie: as the guest has it
 *
 * Context: any but NMI; process for unused frames.
 */
long pagehint_fake_host_call(unsigned int operation, unsigned long gpa,
			     unsigned long count, unsigned long cookie)
{
	struct pagehint_hc_entry *entries = phys_to_virt(gpa);
	unsigned long flags, done;
	long ret;

	if (operation == PAGEHINT_HC_QUERY) {
		raw_spin_lock_irqsave(&fake_lock, flags);
		ret = READ_ONCE(fake_gone) ? stale(0) : query(phys_to_virt(gpa));
		raw_spin_unlock_irqrestore(&fake_lock, flags);
		return ret;
	}
	if (!count || count > PAGEHINT_VECTOR_MAX || gpa % sizeof(*entries) ||
	    offset_in_page(gpa) + count * sizeof(*entries) > PAGE_SIZE) {
		pr_err("BUG: fake host: vector %#lx of %lu entries is malformed\n", gpa, count);
		return -PAGEHINT_HC_EINVAL;
	}
	if (fake_idle) {
		answer_idly(operation, entries, count);
		return count;
	}
	if (one_in(READ_ONCE(fake_forget)))
		return nonsense(count);
	for (done = 0; done < count; done++) {
		ret = one_entry(operation, &entries[done], cookie);
		if (ret < 0)
			return done ?: ret;
		if (one_in(fake_part))
			return done + 1;
	}
	return done;
}

static int dropper(void *unused)
{
	unsigned long pfn, flags;

	while (!kthread_should_stop()) {
		unsigned int pause_us = READ_ONCE(pagehint_loop_pause_us);

		for (pfn = 0; pfn < pagehint_table.nr_bytes; pfn++) {
			if (!(pfn % 4096))
				cond_resched_tasks_rcu_qs();
			if (READ_ONCE(known[pfn]) != THERE || pagehint_test_spared(pfn))
				continue;
			raw_spin_lock_irqsave(&fake_lock, flags);
			if (known[pfn] == THERE)
				drop(pfn);
			raw_spin_unlock_irqrestore(&fake_lock, flags);
		}
		if (pause_us)
			usleep_range(pause_us, pause_us + 1);
		else
			cond_resched_tasks_rcu_qs();
	}
	return 0;
}

/**
 * pagehint_fake_host_open - start it, if it is wanted
 *
 * Context: process; the table is laid out.
 * Return: 0 or an error.
 */
int pagehint_fake_host_open(void)
{
	struct task_struct *task;

	if (!pagehint_fake_host)
		return 0;
	known = vzalloc(pagehint_table.nr_bytes);
	if (!known)
		return -ENOMEM;
	if (fake_idle)
		return 0;
	task = kthread_run(dropper, NULL, "pagehint_fake");
	if (IS_ERR(task)) {
		vfree(known);
		known = NULL;
		return PTR_ERR(task);
	}
	thread = task;
	return 0;
}

/**
 * pagehint_fake_host_close - stop it
 *
 * Context: process; no call is made any more.
 */
void pagehint_fake_host_close(void)
{
	if (thread)
		kthread_stop(thread);
	thread = NULL;
	vfree(known);
	known = NULL;
}

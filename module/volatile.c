// SPDX-License-Identifier: GPL-2.0
/*
 * Page cache as volatile folios: starting (hook, wait, look at what is there),
 * the thread that commits candidates lazily and in batches and evicts what the
 * host dropped, stopping; which file systems take part.
 *
 * Lock order: control_mutex (control.c) > commit_mutex > folio lock;
 * hotplug locks > commit_mutex. The thread holds commit_mutex for one folio
 * at a time, or for one look at what was unmapped, or at 16 MiB for swap cache, so
 * whoever takes it and changes what may be committed knows that no commit is under way
 * by the old rule. And whoever looks at frames without a reference does so under it:
 * struct page of memory that went offline may be gone.
 */
#include <pagehint/log.h>

#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <compat/call.h>
#include <compat/page_cache.h>
#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/discard_fault.h>
#include <pagehint/hooks.h>
#include <pagehint/lazyfree.h>
#include <pagehint/mapped.h>
#include <pagehint/stay.h>
#include <pagehint/swap_cache.h>
#include <pagehint/volatile.h>

#include "volatile_policy.h"

/* Folios that were in use are looked at every so many periods. */
#define LATER_PERIODS	8

unsigned long pagehint_volatile_end __read_mostly;
unsigned int pagehint_volatile_delay_ms = 500;
unsigned int pagehint_volatile_batch = 64;
bool pagehint_volatile_evicts = true;

static struct task_struct *thread;
static int rescan;
static bool free_hooked;	/* under control_mutex */
static const char *phase = "off";

static DEFINE_MUTEX(commit_mutex);

/* Memory that is going offline is left alone. Under commit_mutex. */
static unsigned long offline_pfn, offline_end;

/* ------------------------------------------------------------------------
 * File systems
 */

#define FILE_SYSTEMS_BYTES	128

/* Under commit_mutex. Names, each with a comma behind it. */
static char file_systems[FILE_SYSTEMS_BYTES] = "ext4,xfs,btrfs,";

/**
 * pagehint_volatile_file_systems - which file systems take part
 *
 * Context: process.
 * Return: names, each with a comma behind it; may change meanwhile.
 */
const char *pagehint_volatile_file_systems(void)
{
	return file_systems;
}

/**
 * pagehint_volatile_set_file_systems - say which file systems take part
 * @names: with commas between them
 *
 * Pages of others stay as they are until they are next used.
 *
 * Context: process, may sleep.
 * Return: 0 or -EINVAL.
 */
int pagehint_volatile_set_file_systems(const char *names)
{
	size_t length = strcspn(names, "\n");

	if (length + 2 > FILE_SYSTEMS_BYTES || strcspn(names, " \t/") < length)
		return -EINVAL;
	mutex_lock(&commit_mutex);
	snprintf(file_systems, sizeof(file_systems), "%.*s%s", (int)length, names,
		 length && names[length - 1] != ',' ? "," : "");
	mutex_unlock(&commit_mutex);
	pagehint_volatile_rescan();
	return 0;
}

/**
 * pagehint_volatile_file_system - does this file system take part?
 * @sb: it
 *
 * By the name under which it is mounted: ext4's driver serves ext2 and ext3 too.
 * Only what can be read again from a device of its own: neither what lives on
 * another machine nor what a program of the guest serves (fuseblk says that it
 * requires a device, too).
 *
 * Context: the thread, under commit_mutex.
 */
bool pagehint_volatile_file_system(struct super_block *sb)
{
	const char *name = sb->s_type->name, *at = file_systems;
	size_t length = strlen(name);

	lockdep_assert_held(&commit_mutex);
	if (!(sb->s_type->fs_flags & FS_REQUIRES_DEV) || !strcmp(name, "fuseblk"))
		return false;
	while (*at) {
		size_t listed = strcspn(at, ",");

		if (listed == length && !strncmp(at, name, length))
			return true;
		at += listed + 1;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * The thread
 */

static void no_drain(void)
{
}

PAGEHINT_CALL_DEFINE(lru_add_drain_all_call, no_drain);

static bool stopping(void)
{
	return kthread_should_stop();
}

/*
 * What will pass by itself and without an event of ours is looked at again
 * later; for the rest an event will come, or never.
 */
static bool is_passing(enum pagehint_refusal refusal)
{
	switch (refusal) {
	case PAGEHINT_REFUSED_LOCKED:
	case PAGEHINT_REFUSED_IN_USE:
	case PAGEHINT_REFUSED_PRIVATE:
	/* Found dropped, and not yet read again: that makes no event. */
	case PAGEHINT_REFUSED_NOT_UPTODATE:
	case PAGEHINT_REFUSED_OFFLINING:
		return true;
	default:
		return false;
	}
}

/*
 * A folio that is not on the LRU may be on its way there, in a CPU's batch; after a
 * drain it is there or not page cache at all. The mark that MADV_FREE leaves is on its
 * way in the same manner.
 */
static bool is_in_batch(enum pagehint_refusal refusal)
{
	return refusal == PAGEHINT_REFUSED_NOT_LRU ||
	       (refusal == PAGEHINT_REFUSED_ANONYMOUS && READ_ONCE(pagehint_lazyfree));
}

static bool is_going_offline(unsigned long pfn)
{
	return pfn >= offline_pfn && pfn < offline_end;
}

static enum pagehint_refusal try_commit(unsigned long pfn)
{
	enum pagehint_refusal refusal;

	mutex_lock(&commit_mutex);
	if (is_going_offline(pfn))
		refusal = PAGEHINT_REFUSED_OFFLINING;
	else
		refusal = pagehint_volatile_commit(pfn);
	mutex_unlock(&commit_mutex);
	return refusal;
}

static void look(unsigned long pfn, bool again)
{
	static unsigned int looked;
	enum pagehint_refusal refusal;

	if (stopping())
		return;
	/* Free by now, or volatile already. */
	if (!pagehint_table_covers(pfn) ||
	    READ_ONCE(*pagehint_table_byte(pfn)) != PAGEHINT_STABLE)
		return;
	if (++looked >= READ_ONCE(pagehint_volatile_batch)) {
		looked = 0;
		cond_resched();
	}
	refusal = try_commit(pfn);
	if (refusal == PAGEHINT_COMMITTED)
		return;
	pagehint_count(PAGEHINT_REFUSED_FIRST + refusal, 1);
	if (refusal == PAGEHINT_REFUSED_MAPPED || refusal == PAGEHINT_REFUSED_LAZYFREE)
		pagehint_mapped_found(pfn, refusal == PAGEHINT_REFUSED_MAPPED);
	if (is_passing(refusal) || (!again && is_in_batch(refusal)))
		pagehint_candidate_later(pfn);
}

static void look_first(unsigned long pfn)
{
	look(pfn, false);
}

static void look_again(unsigned long pfn)
{
	look(pfn, true);
}

static bool look_at_mapped(unsigned long pfn)
{
	bool again = true;

	mutex_lock(&commit_mutex);
	if (!is_going_offline(pfn))
		again = pagehint_mapped_look(pfn);
	mutex_unlock(&commit_mutex);
	return again;
}

/* All of one block of memory, which goes offline as a whole */
static unsigned long look_for_swap_cache(unsigned long pfn, unsigned long end)
{
	unsigned long found = 0;

	mutex_lock(&commit_mutex);
	if (!is_going_offline(pfn))
		found = pagehint_swap_cache_look(pfn, end);
	mutex_unlock(&commit_mutex);
	return found;
}

static void evict(unsigned long pfn)
{
	mutex_lock(&commit_mutex);
	if (!is_going_offline(pfn))
		pagehint_volatile_evict(pfn);
	mutex_unlock(&commit_mutex);
}

/*
 * Only when the host has dropped anything since, and twice a second at most: all
 * of the table is looked through.
 */
static void evict_dropped(void)
{
	static unsigned long next;
	static u64 seen;
	u64 dropped = pagehint_backend->nr_dropped ? pagehint_backend->nr_dropped() : seen;

	if (dropped == seen || time_before(jiffies, next) ||
	    !READ_ONCE(pagehint_volatile_evicts))
		return;
	seen = dropped;
	next = jiffies + HZ / 2;
	pagehint_volatile_each_dropped(evict, stopping);
}

static void complain(void)
{
	if (pagehint_counter_sum(PAGEHINT_VOLATILE_IMPOSSIBLE))
		pr_err_once("the host says that it dropped page cache that it was never offered: whatever writes to the table there is broken; the pages are kept\n");
}

/* Those that do not sleep were over when the hooks had been attached. */
static bool wait_for_unhooked(void)
{
	unsigned long getter = pagehint_sleeping_getter();

	return !getter || pagehint_left_out("unhooked_wait") ||
	       pagehint_unhooked_wait(getter, stopping);
}

static int volatile_thread(void *unused)
{
	unsigned int period = 0;

	phase = "waiting for lookups that began before the hooks";
	if (!wait_for_unhooked())
		goto out;
	/* Who is inside GUP since before may come out with what was mapped since. */
	if (pagehint_stay_on() &&
	    !pagehint_unhooked_wait(pagehint_stay_sleeping_getter(), stopping))
		goto out;
	if (!pagehint_swap_cache_wait(stopping))
		goto out;
	phase = "on";
	WRITE_ONCE(rescan, 1);
	while (!stopping()) {
		unsigned int delay = READ_ONCE(pagehint_volatile_delay_ms);

		if (pagehint_xchg(&rescan, 0))
			pagehint_candidates_all();
		mutex_lock(&commit_mutex);
		pagehint_unmapped_look(period % LATER_PERIODS == 0, is_going_offline);
		mutex_unlock(&commit_mutex);
		pagehint_candidates_each(false, look_first);
		if (++period % LATER_PERIODS == 0) {
			PAGEHINT_CALL(lru_add_drain_all_call)();
			pagehint_swap_cache_find(look_for_swap_cache, stopping);
			pagehint_candidates_each(true, look_again);
			complain();
		}
		evict_dropped();
		pagehint_mapped_round(look_at_mapped, stopping);
		schedule_timeout_interruptible(msecs_to_jiffies(delay));
	}
out:
	pagehint_mapped_end();
	while (!stopping())
		schedule_timeout_interruptible(HZ);
	return 0;
}

/* ------------------------------------------------------------------------
 * Start and stop
 */

/**
 * pagehint_volatile_phase - what the thread does, for people
 *
 * Context: any.
 */
const char *pagehint_volatile_phase(void)
{
	return READ_ONCE(phase);
}

/**
 * pagehint_volatile_rescan - look at every frame of the guest once more
 *
 * Context: any.
 */
void pagehint_volatile_rescan(void)
{
	WRITE_ONCE(rescan, 1);
}

/**
 * pagehint_volatile_check - can page cache be made volatile on this kernel?
 * @why: the sentence if not; PAGEHINT_WHY_BYTES
 *
 * Context: process, at load.
 * Return: 0 or -EOPNOTSUPP.
 */
int pagehint_volatile_check(char *why)
{
	struct pagehint_symbol drain = { .name = "lru_add_drain_all" };
	struct pagehint_symbol *symbols[] = { &drain };

	if (PAGEHINT_COLLAPSES_FILES) {
		snprintf(why, PAGEHINT_WHY_BYTES,
			 "this kernel collapses page cache into huge pages (CONFIG_READ_ONLY_THP_FOR_FS), which is not hooked");
		return -EOPNOTSUPP;
	}
	if (pagehint_sleeping_getter() && pagehint_unhooked_open()) {
		snprintf(why, PAGEHINT_WHY_BYTES,
			 "task_call_func, stack_trace_save_tsk_reliable or kallsyms_lookup_size_offset was not found: a kernel with CONFIG_LIVEPATCH has them");
		return -EOPNOTSUPP;
	}
	if (!pagehint_resolve(symbols, 1) && drain.definitions == 1)
		PAGEHINT_CALL_SET(lru_add_drain_all_call, drain.address);
	pagehint_fault_open();
	return 0;
}

static int attach(struct pagehint_hook *hooks, unsigned int nr)
{
	/* Getters first: nothing is volatile before they are hooked. */
	return pagehint_hooks_attach(hooks, nr, PAGEHINT_ALLOC_SIDE);
}

/**
 * pagehint_volatile_start - make page cache volatile from now on
 * @unused_too: free memory is hinted, so a volatile frame that is freed becomes
 *	unused by that
 * @stay: what fault-around maps stays volatile
 * @swap: swap cache, too
 *
 * Context: process, may sleep; under control_mutex. No frame is volatile.
 * Return: 0, or an error with nothing attached and a line in the log.
 */
int pagehint_volatile_start(bool unused_too, bool stay, bool swap)
{
	struct task_struct *task;
	int err = pagehint_candidates_open();

	if (err)
		return err;
	WRITE_ONCE(pagehint_volatile_end, pagehint_table.nr_bytes);
	free_hooked = !unused_too;
	err = pagehint_discard_open();
	if (!err)
		err = attach(pagehint_volatile_hooks, pagehint_nr_volatile_hooks);
	if (!err && free_hooked)
		err = attach(pagehint_volatile_free_hooks, pagehint_nr_volatile_free_hooks);
	if (!err && stay)
		err = pagehint_stay_start();
	if (!err && swap)
		err = pagehint_swap_cache_start();
	if (!err)
		err = pagehint_hooks_attach(pagehint_volatile_hooks,
					    pagehint_nr_volatile_hooks,
					    PAGEHINT_FREE_SIDE);
	if (!err)
		err = pagehint_fail_point();
	if (!err) {
		task = kthread_run(volatile_thread, NULL, "pagehint_cache");
		err = PTR_ERR_OR_ZERO(task);
		if (err)
			pr_err("the thread for volatile pages did not start (error %d): free some memory and try again\n",
			       err);
		else
			thread = task;
	}
	if (err)
		pagehint_volatile_stop();
	return err;
}

/**
 * pagehint_volatile_stop - make every volatile frame stable and detach
 *
 * No folio becomes volatile any more, those that are become stable, and only
 * then do the getters go. Does not wait for readers that are asleep in one: they
 * find nothing volatile.
 *
 * Context: process, may sleep; under control_mutex.
 */
void pagehint_volatile_stop(void)
{
	pagehint_stay_stop_mapping();
	if (thread)
		kthread_stop(thread);
	thread = NULL;
	phase = "off";
	pagehint_hooks_detach(pagehint_volatile_hooks, pagehint_nr_volatile_hooks,
			      PAGEHINT_FREE_SIDE);
	if (!pagehint_left_out("volatile_sweep"))
		pagehint_volatile_sweep(0, pagehint_table.nr_bytes);
	pagehint_stay_stop();
	pagehint_swap_cache_stop();
	pagehint_hooks_detach(pagehint_volatile_hooks, pagehint_nr_volatile_hooks,
			      PAGEHINT_ALLOC_SIDE);
	if (free_hooked)
		pagehint_hooks_detach(pagehint_volatile_free_hooks,
				      pagehint_nr_volatile_free_hooks,
				      PAGEHINT_ALLOC_SIDE);
	free_hooked = false;
	pagehint_discard_close();
	WRITE_ONCE(pagehint_volatile_end, 0);
	/* Who read the old value is out, or found a stable page. */
	synchronize_rcu_tasks();
	pagehint_candidates_close();
}

/**
 * pagehint_volatile_going_offline - memory is about to be taken offline
 * @pfn: first frame
 * @nr_pages: how many
 *
 * Nothing there is volatile from now on until pagehint_volatile_offline_done().
 *
 * Context: process, may sleep, hotplug locks held; between the table's layout
 * and its end.
 */
void pagehint_volatile_going_offline(unsigned long pfn, unsigned long nr_pages)
{
	mutex_lock(&commit_mutex);
	offline_pfn = pfn;
	offline_end = pfn + nr_pages;
	mutex_unlock(&commit_mutex);
	if (pagehint_volatile_end)
		pagehint_volatile_sweep(pfn, nr_pages);
}

/**
 * pagehint_volatile_offline_done - offlining succeeded or was called off
 *
 * Context: process, may sleep, hotplug locks held.
 */
void pagehint_volatile_offline_done(void)
{
	mutex_lock(&commit_mutex);
	offline_pfn = 0;
	offline_end = 0;
	mutex_unlock(&commit_mutex);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Hosts that are told (include/pagehint/teller.h), in the background: a thread looks
 * through the table, as a host that shares it would, and passes on what is new: frames
 * that became volatile, frames that were freed since the host was told, and free memory,
 * where the backend tells it so (module/kvm_claim.c).
 *
 * The table is what is gathered: nothing is added to the paths on which frames
 * change state, and what changes back before the thread comes by was cancelled for
 * nothing. A pass reads a byte a frame, 256 KiB for each GiB, and there is at most one
 * in a second for 64 GiB. While the host is gone it is queried instead.
 *
 * Context: the thread; started and stopped under control_mutex.
 */
#include <pagehint/log.h>

#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/sched.h>

#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>
#include <pagehint/teller.h>

/* So many frames are looked at for all of it before the next ones. */
#define CHUNK	4096UL

/* No longer: so many frames are locked or looked at with interrupts off. */
#define MAX_SPAN	512UL

/* Of a large guest no more than 64 GiB a second are looked at: a few per mille of a CPU. */
#define FRAMES_PER_MS	((64UL << 30 >> PAGE_SHIFT) / MSEC_PER_SEC)

static struct task_struct *thread;
static bool told;	/* anything, since all was asked for */

struct collection {
	enum pagehint_said said;
	unsigned int nr;
	struct pagehint_span spans[PAGEHINT_VECTOR_MAX];
};

static struct collection untold = { .said = PAGEHINT_TELL };
static struct collection owed = { .said = PAGEHINT_REPAY };

static bool stopping(void)
{
	return kthread_should_stop();
}

static void send(struct collection *collection)
{
	pagehint_teller_say(collection->said, collection->spans, collection->nr);
	collection->nr = 0;
}

static void collect(struct collection *collection, unsigned long pfn)
{
	if (collection->nr) {
		struct pagehint_span *last = &collection->spans[collection->nr - 1];

		if (last->pfn + last->nr_frames == pfn && last->nr_frames < MAX_SPAN) {
			last->nr_frames++;
			return;
		}
	}
	if (collection->nr >= pagehint_teller->entries())
		send(collection);
	collection->spans[collection->nr++] = (struct pagehint_span){ pfn, 1 };
}

/*
 * Nothing to say of any of eight frames: the usual cases. What is to be said is of U, V
 * and U|BUSY: bit 0 without bit 2, and not bits 1 and 3 together (V|BUSY was said).
 */
static bool is_dull(u64 word)
{
	const u64 low = 0x0101010101010101ULL;

	return !(word & ~(word >> 2) & ~(word >> 1 & word >> 3) & low);
}

/* Returns whether there is free memory that the host was not told of. */
static bool look_through(unsigned long first, unsigned long end, bool tells)
{
	unsigned long pfn = first;
	bool is_free = false;

	while (pfn < end) {
		const u8 *byte = pagehint_table_byte(pfn);
		u8 state;

		if (pagehint_teller->skips &&
		    (pfn == first || IS_ALIGNED(pfn, pageblock_nr_pages)) &&
		    pagehint_teller->skips(pfn)) {
			pfn = round_down(pfn, pageblock_nr_pages) + pageblock_nr_pages;
			continue;
		}
		if (IS_ALIGNED(pfn, 8) && pfn + 8 <= end &&
		    is_dull(READ_ONCE(*(const u64 *)byte))) {
			pfn += 8;
			continue;
		}
		state = READ_ONCE(*byte);
		if (state == PAGEHINT_UNUSED)
			is_free = true;
		else if (pagehint_is_owed(state))
			collect(&owed, pfn);
		else if (tells && pagehint_is_untold(state))
			collect(&untold, pfn);
		pfn++;
	}
	return is_free;
}

static void pass(void)
{
	bool tells = pagehint_teller->takes_volatile();
	unsigned int i;

	told = true;
	if (pagehint_teller->pass_begin)
		pagehint_teller->pass_begin();
	for (i = 0; i < pagehint_table.nr_ranges; i++) {
		unsigned long pfn = pagehint_table.ranges[i].gfn;
		unsigned long end = pfn + pagehint_table.ranges[i].nr_frames;

		while (pfn < end && !stopping() && pagehint_teller->listens()) {
			unsigned long next = min(round_down(pfn, CHUNK) + CHUNK, end);

			if (look_through(pfn, next, tells) && pagehint_teller->found_free)
				pagehint_teller->found_free(pfn, next);
			pfn = next;
			cond_resched_tasks_rcu_qs();
		}
	}
	send(&owed);
	send(&untold);
	if (pagehint_teller->pass_end)
		pagehint_teller->pass_end(!stopping() && pagehint_teller->listens());
}

/* The host forgot, or went: whatever it was told counts as gone. */
static void start_over(void)
{
	/* It does not listen: nobody is asked, all of it is gone, and leaves the page cache. */
	if (told)
		pagehint_teller_ask_each(0, pagehint_table.nr_bytes);
	told = false;
	if (pagehint_teller->listen && !pagehint_teller->listen())
		pr_info_ratelimited("backend %s: the host forgot what it was told, and is told anew\n",
				    pagehint_teller->name);
}

static unsigned int pause_ms(void)
{
	return max_t(unsigned long, READ_ONCE(*pagehint_teller->delay_ms),
		     pagehint_table.nr_frames / FRAMES_PER_MS);
}

static int worker(void *unused)
{
	while (!stopping()) {
		if (!pagehint_teller->listens())
			start_over();
		if (pagehint_teller->listens())
			pass();
		schedule_timeout_interruptible(msecs_to_jiffies(pause_ms()));
	}
	return 0;
}

/**
 * pagehint_teller_start - begin to tell the host
 *
 * Return: 0, or an error with a line in the log.
 */
int pagehint_teller_start(void)
{
	struct task_struct *task;
	int err = pagehint_fail_point();

	if (err)
		return err;
	task = kthread_run(worker, NULL, "pagehint_%s", pagehint_teller->name);
	if (IS_ERR(task)) {
		pr_err("backend %s: its thread did not start (error %ld): free some memory and load again\n",
		       pagehint_teller->name, PTR_ERR(task));
		return PTR_ERR(task);
	}
	thread = task;
	return 0;
}

/**
 * pagehint_teller_stop - say nothing more of what is new
 *
 * Waits for the call that is under way: on return no block is claimed.
 */
void pagehint_teller_stop(void)
{
	if (thread)
		kthread_stop(thread);
	thread = NULL;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Recovery of a folio that was used after the host had dropped it and before any
 * getter knew: in the background, so that any context can ask for it, and on
 * nobody's stack but the worker's own.
 *
 * What is sound (docs/discard-faults.md has the argument): under the folio lock, with
 * no writeback, the folio is marked not uptodate; every page table entry goes, so that
 * nobody in user mode can see the frame; only then it can be used. Nobody holds it
 * besides: it leaves the page cache, as something that the host dropped does. Somebody
 * does, a kernel access that will be redone: it is read again where it is. It was
 * dirtied since it was volatile: that write is lost, the file remembers an error.
 *
 * Whoever asks gets a slot: a word with the frame and what became of it. Frames are
 * asked for by compare-and-swap alone, in any context, NMI included.
 *
 * Lock order: folio lock; inside it what unmapping, removing and reading in take.
 * Workers hold nothing when they begin.
 */
#include <pagehint/log.h>

#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <compat/atomic.h>
#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/discard_fault.h>
#include <pagehint/stay.h>
#include <pagehint/volatile.h>

#define NR_SLOTS	64
/* A folio that is frozen, or copied by a fork, is so for a moment. */
#define TRIES		50
#define TRY_MS		20
/* So long a task sleeps for one recovery before it asks again. */
#define WAIT_JIFFIES	(2 * HZ)

#define STATE_BITS	2
#define STATE_MASK	((1UL << STATE_BITS) - 1)
/* Values of a slot that is in use: never 0. */
#define ASKED		1UL
#define DONE		2UL
#define FAILED		3UL

static struct slot {
	unsigned long word;	/* frame << STATE_BITS | state, or 0 */
	unsigned long from;	/* where in the kernel, 0: in user mode. For people */
	struct work_struct work;
} slots[NR_SLOTS];

static atomic_t next_slot;
static struct workqueue_struct *queue;
static bool is_open;
static DECLARE_WAIT_QUEUE_HEAD(changed);

/* ------------------------------------------------------------------------
 * One folio
 */

static bool is_marked(unsigned long pfn)
{
	return pfn < READ_ONCE(pagehint_volatile_end) &&
	       pagehint_state_is_volatile(READ_ONCE(*pagehint_table_byte(pfn)));
}

/*
 * Not on the LRU, as it is isolated to be moved. What is marked volatile is page cache:
 * it loses the mark before it is anything else.
 */
static struct folio *hold_isolated(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (!is_marked(folio_pfn(folio)) || !folio_try_get(folio))
		return NULL;
	if (page_folio(page) == folio && is_marked(folio_pfn(folio)))
		return folio;
	folio_put(folio);
	return NULL;
}

/**
 * pagehint_recovery_hold - the folio of a frame, held by a reference
 * @pfn: any frame; anything may be there by now
 *
 * Context: any.
 * Return: it, or NULL if it is neither on the LRU nor volatile.
 */
struct folio *pagehint_recovery_hold(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);

	if (!page)
		return NULL;
	return pagehint_folio_get(page_to_pfn(compound_head(page))) ?: hold_isolated(page);
}

/* Of a folio that was dirty, too. */
static void make_usable(struct folio *folio)
{
	unsigned long pfn = folio_pfn(folio), end = pfn + folio_nr_pages(folio);

	pagehint_volatile_make_stable_locked(folio);
	for (; pfn < end; pfn++) {
		if (pagehint_backend->is_gone(pfn))
			pagehint_backend->make_usable(pfn);
	}
}

/*
 * Not uptodate and usable: what was found gone before, which whoever used it by a
 * reference still wants. Unless it is dirty: then it is a page of which a part was
 * written since, and the rest not read in.
 */
static bool is_lost(struct folio *folio, bool in_place)
{
	unsigned long pfn = folio_pfn(folio), end = pfn + folio_nr_pages(folio);

	if (in_place && !folio_test_uptodate(folio) && !folio_test_dirty(folio))
		return true;
	for (; pfn < end; pfn++) {
		if (pagehint_backend->is_gone(pfn))
			return true;
	}
	return false;
}

/* Of the page cache, of the table: that is all that ever is volatile. */
static bool can_be_ours(struct folio *folio)
{
	return folio->mapping && !folio_test_anon(folio) && !folio_test_swapbacked(folio) &&
	       folio_pfn(folio) < READ_ONCE(pagehint_volatile_end);
}

/*
 * As truncation does it: page faults need the folio lock, and a fork's copies come
 * behind the original in the mapping's tree. So the first try does, and the others are
 * for what that overlooks.
 */
static bool unmap(struct address_space *mapping, struct folio *folio)
{
	unsigned int tries;

	for (tries = 0; folio_mapped(folio) && tries < TRIES; tries++) {
		if (tries)
			msleep(TRY_MS);
		unmap_mapping_pages(mapping, folio->index, folio_nr_pages(folio), false);
	}
	return !folio_mapped(folio);
}

/* Besides the page cache, its private data and us */
static bool is_held(struct folio *folio)
{
	return folio_ref_count(folio) >
	       folio_nr_pages(folio) + 1 + (folio_test_private(folio) ? 1 : 0);
}

static bool remove(struct address_space *mapping, struct folio *folio)
{
	return !generic_error_remove_page(mapping, &folio->page);
}

/* Reading in unlocks it. */
static bool refill(struct address_space *mapping, struct folio *folio)
{
	int err;

	folio_clear_error(folio);
	err = mapping->a_ops->read_folio(NULL, folio);
	if (err == AOP_TRUNCATED_PAGE)
		return false;
	folio_wait_locked(folio);
	return !err && folio_test_uptodate(folio);
}

/*
 * The folio is locked, and unlocked on return. @in_place: who used it may have done so by
 * a reference, and finds its content nowhere else.
 */
static bool recover_locked(struct folio *folio, bool in_place)
{
	unsigned long nr = folio_nr_pages(folio);
	struct address_space *mapping = folio->mapping;
	bool redo;

	folio_wait_writeback(folio);
	if (!can_be_ours(folio) || !is_lost(folio, in_place)) {
		/* Truncated; or somebody was faster; or the frame is another's by now. */
		redo = mapping || !is_lost(folio, in_place);
		folio_unlock(folio);
		pagehint_count(PAGEHINT_DISCARD_STALE, 1);
		return redo;
	}
	folio_clear_uptodate(folio);
	if (pagehint_stay_on() && folio_mapped(folio))
		pagehint_count(PAGEHINT_STAY_RECOVERED, nr);
	if (!unmap(mapping, folio)) {
		folio_unlock(folio);
		pagehint_count(PAGEHINT_DISCARD_LOST, nr);
		return false;
	}
	make_usable(folio);
	if (folio_test_dirty(folio)) {
		pr_err("a page of inode %lu was written to after the host had dropped it: the write is lost, fsync() will say so\n",
		       mapping->host->i_ino);
		mapping_set_error(mapping, -EIO);
		remove(mapping, folio);
		folio_unlock(folio);
		pagehint_count(PAGEHINT_DISCARD_LOST, nr);
		return false;
	}
	if (!is_held(folio) && remove(mapping, folio)) {
		folio_unlock(folio);
		pagehint_count(PAGEHINT_DISCARD_EVICTED, nr);
		return true;
	}
	if (!in_place) {
		folio_unlock(folio);
		return true;
	}
	redo = refill(mapping, folio);
	pagehint_count(redo ? PAGEHINT_DISCARD_REFILLED : PAGEHINT_DISCARD_LOST, nr);
	return redo;
}

static bool recover(unsigned long pfn, bool in_place)
{
	struct folio *folio = pagehint_recovery_hold(pfn);
	unsigned int tries;
	bool redo;

	for (tries = 0; !folio && is_marked(pfn) && tries < TRIES; tries++) {
		msleep(TRY_MS);
		folio = pagehint_recovery_hold(pfn);
	}
	if (!folio) {
		/* Freed: who allocates it makes it stable, and who had it mapped has not. */
		pagehint_count(PAGEHINT_DISCARD_STALE, 1);
		return !is_marked(pfn);
	}
	folio_lock(folio);
	redo = recover_locked(folio, in_place);
	folio_put(folio);
	return redo;
}

/**
 * pagehint_recovery_now - recover a frame that was used in user mode
 * @pfn: it
 *
 * Whoever uses it again then has a page fault, or finds that somebody was faster.
 *
 * Context: process, may sleep, with no locks held.
 * Return: whether that is so.
 */
bool pagehint_recovery_now(unsigned long pfn)
{
	return recover(pfn, false);
}

/* ------------------------------------------------------------------------
 * Slots
 */

/**
 * pagehint_recovery_is_usual - may a frame be used, or lost, without a getter's knowledge?
 * @pfn: it
 *
 * If it is mapped while it is volatile; or was until somebody recovered it just now.
 *
 * Context: any.
 */
bool pagehint_recovery_is_usual(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);

	return pagehint_stay_on() && page &&
	       (page_mapped(page) || !pagehint_backend->is_gone(pfn));
}

static void slot_work(struct work_struct *work)
{
	struct slot *slot = container_of(work, struct slot, work);
	unsigned long word = READ_ONCE(slot->word);

	if ((word & STATE_MASK) != ASKED)
		return;
	if (slot->from == PAGEHINT_FROM_HOOK || pagehint_recovery_is_usual(word >> STATE_BITS))
		;
	else if (slot->from)
		pr_warn_ratelimited("frame %#lx was used at %pS after the host had dropped it: a way to it is not hooked, report this line\n",
				    word >> STATE_BITS, (void *)slot->from);
	else
		pr_warn_ratelimited("frame %#lx was used in user mode after the host had dropped it: a way to it is not hooked, report this line\n",
				    word >> STATE_BITS);
	word = (word & ~STATE_MASK) | (recover(word >> STATE_BITS, true) ? DONE : FAILED);
	/* Release: who sees it done sees what was done. */
	smp_store_release(&slot->word, word);
	wake_up_all(&changed);
}

static void start_asked(struct irq_work *unused)
{
	unsigned int i;

	for (i = 0; i < NR_SLOTS; i++) {
		if ((READ_ONCE(slots[i].word) & STATE_MASK) == ASKED)
			queue_work(queue, &slots[i].work);
	}
}

static struct irq_work later = IRQ_WORK_INIT(start_asked);

static int find_asked(unsigned long pfn)
{
	int i;

	for (i = 0; i < NR_SLOTS; i++) {
		if (READ_ONCE(slots[i].word) == (pfn << STATE_BITS | ASKED))
			return i;
	}
	return -1;
}

/**
 * pagehint_recovery_is_asked - is a frame being recovered?
 * @pfn: it
 *
 * Context: any.
 */
bool pagehint_recovery_is_asked(unsigned long pfn)
{
	return find_asked(pfn) >= 0;
}

/**
 * pagehint_recovery_ask - have a frame recovered
 * @pfn: it
 * @from: where in the kernel it was used, 0 if not there, or PAGEHINT_FROM_HOOK
 *
 * Context: any, NMI included; never waits.
 * Return: for the following two functions; negative if there is no slot just now.
 */
int pagehint_recovery_ask(unsigned long pfn, unsigned long from)
{
	unsigned long asked = pfn << STATE_BITS | ASKED, word;
	unsigned int i, first;
	int at;

	if (!READ_ONCE(is_open))
		return -1;
	at = find_asked(pfn);
	if (at >= 0)
		return at;
	/* The one longest done, about: whoever waits for it still reads how it ended. */
	first = atomic_inc_return(&next_slot);
	for (i = 0; i < NR_SLOTS; i++) {
		struct slot *slot = &slots[(first + i) % NR_SLOTS];

		word = READ_ONCE(slot->word);
		if ((word & STATE_MASK) == ASKED ||
		    pagehint_cmpxchg(&slot->word, word, asked) != word)
			continue;
		WRITE_ONCE(slot->from, from);
		/* With interrupts on, nobody here holds a lock of the scheduler. */
		if (irqs_disabled())
			irq_work_queue(&later);
		else
			queue_work(queue, &slot->work);
		return slot - slots;
	}
	return -1;
}

/**
 * pagehint_recovery_state - what became of it?
 * @at: from pagehint_recovery_ask()
 * @pfn: the frame
 *
 * Context: any.
 * Return: a slot that has another frame by now is taken for recovered: an access that is
 * redone in vain is interrupted again.
 */
enum pagehint_recovery pagehint_recovery_state(int at, unsigned long pfn)
{
	unsigned long word;

	if (at < 0)
		return PAGEHINT_LOST;
	/* Acquire: pairs with slot_work(). */
	word = smp_load_acquire(&slots[at].word);
	if (word == (pfn << STATE_BITS | ASKED))
		return PAGEHINT_RECOVERY_WAITS;
	return word == (pfn << STATE_BITS | FAILED) ? PAGEHINT_LOST : PAGEHINT_RECOVERED;
}

/**
 * pagehint_recovery_wait - sleep until it is done
 * @at: from pagehint_recovery_ask()
 * @pfn: the frame
 *
 * Context: process, may sleep: where a page fault may.
 * Return: PAGEHINT_RECOVERY_WAITS if it takes too long, or the task is to die.
 */
enum pagehint_recovery pagehint_recovery_wait(int at, unsigned long pfn)
{
	if (at >= 0)
		wait_event_killable_timeout(changed,
					    pagehint_recovery_state(at, pfn) !=
					    PAGEHINT_RECOVERY_WAITS, WAIT_JIFFIES);
	return pagehint_recovery_state(at, pfn);
}

/**
 * pagehint_recovery_open - be ready for frames that are asked for
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int pagehint_recovery_open(void)
{
	unsigned int i;

	/* Not bound to a CPU: whoever spins for it keeps his own. */
	queue = alloc_workqueue("pagehint_recover",
				WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM, 0);
	if (!queue)
		return -ENOMEM;
	for (i = 0; i < NR_SLOTS; i++) {
		slots[i].word = 0;
		INIT_WORK(&slots[i].work, slot_work);
	}
	WRITE_ONCE(is_open, true);
	return 0;
}

/**
 * pagehint_recovery_flush - wait for what was asked for up to now
 *
 * Context: process, may sleep; after pagehint_recovery_open().
 */
void pagehint_recovery_flush(void)
{
	irq_work_sync(&later);
	flush_workqueue(queue);
}

/**
 * pagehint_recovery_close - undo pagehint_recovery_open()
 *
 * Who still sleeps in pagehint_recovery_wait() is woken and finds no slot any more.
 *
 * Context: process, may sleep; may be called without open.
 */
void pagehint_recovery_close(void)
{
	if (!queue)
		return;
	WRITE_ONCE(is_open, false);
	/* Who read the old value has queued his work. */
	synchronize_rcu();
	irq_work_sync(&later);
	destroy_workqueue(queue);
	queue = NULL;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Hosts that are told (include/pagehint/teller.h), what is said of frames: that they
 * are volatile (the worker), and that they are not any more, by whoever needs one, in
 * any context.
 *
 * Each CPU has memory for one vector of its own, and uses it with interrupts off:
 * from the first frame that is locked in the table (include/pagehint/vector.h) to
 * the last that is unlocked nothing else happens on this CPU but NMI, in which
 * nobody needs a frame. Nothing is allocated and no other lock is taken, so others
 * may spin on a locked frame wherever they are.
 *
 * Never under zone->lock, where all other CPUs would wait for the host: allocation
 * events come after it, and a block of which the host still has to hear is not
 * isolated (pagehint_teller_may_isolate()).
 */
#include <pagehint/log.h>

#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/percpu.h>
#include <linux/sched.h>

#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>
#include <pagehint/teller.h>

/*
 * Who needs one frame that was freed since the host was told repays for those
 * beside it, too: what was read together is often freed together.
 */
#define REPAY_AROUND	512UL

DEFINE_STATIC_KEY_FALSE(pagehint_by_calls);

/* From open to close. */
const struct pagehint_teller *pagehint_teller;

static DEFINE_PER_CPU(struct pagehint_hc_entry *, memory);

/* Interrupts off. */
static void begin(struct pagehint_vector *vector)
{
	vector->entries = this_cpu_read(memory);
	vector->nr = 0;
	vector->max = pagehint_teller->entries();
	vector->table = pagehint_table.bytes;
}

/* For a test: as if every answer were KEPT. */
static unsigned int believe(struct pagehint_vector *vector)
{
	unsigned int i;

	for (i = 0; i < vector->nr; i++)
		vector->entries[i].result = PAGEHINT_HC_RESULT_KEPT;
	return vector->nr;
}

static void ask(enum pagehint_said said, struct pagehint_vector *vector)
{
	struct pagehint_answers answers;
	unsigned int done;

	if (!vector->nr)
		return;
	pagehint_test_delay("ask");
	if (pagehint_left_out("kvm_ask"))
		done = believe(vector);
	else
		done = pagehint_teller->say(said, vector);
	answers = pagehint_vector_answered(vector, done);
	pagehint_count(PAGEHINT_HOST_KEPT, answers.kept);
	pagehint_count(PAGEHINT_HOST_GONE, answers.gone);
	pagehint_count(PAGEHINT_HOST_REPAID, answers.freed);
}

static void tell(enum pagehint_said said, struct pagehint_vector *vector)
{
	unsigned int done;

	if (!vector->nr)
		return;
	pagehint_test_delay("tell");
	done = pagehint_teller->say(said, vector);
	pagehint_count(PAGEHINT_HOST_TOLD, pagehint_vector_told(vector, done));
}

static const struct {
	u64 (*gather)(struct pagehint_vector *vector, u64 gfn, u64 end);
	void (*send)(enum pagehint_said said, struct pagehint_vector *vector);
} kinds[] = {
	[PAGEHINT_TELL] = { pagehint_vector_tell, tell },
	[PAGEHINT_ASK] = { pagehint_vector_ask, ask },
	[PAGEHINT_REPAY] = { pagehint_vector_repay, ask },
};

/**
 * pagehint_teller_say - tell the host of frames, or ask it
 * @said: what, and so which of the frames
 * @spans: the frames, within the table; for ASK each is a folio
 * @nr: how many spans
 *
 * Frames that another CPU is in a call about are left to it.
 *
 * Context: any but NMI; not under zone->lock.
 */
void pagehint_teller_say(enum pagehint_said said, const struct pagehint_span *spans,
			 unsigned int nr)
{
	unsigned long flags;
	unsigned int i = 0;
	u64 gfn = 0;

	while (i < nr) {
		struct pagehint_vector vector;
		unsigned long looked = 0;

		local_irq_save(flags);
		begin(&vector);
		for (; i < nr && looked < pagehint_teller->max_frames; i++, gfn = 0) {
			u64 end = spans[i].pfn + spans[i].nr_frames;

			gfn = kinds[said].gather(&vector, gfn ?: spans[i].pfn, end);
			/* No room: the rest comes with the next one. */
			if (gfn < end)
				break;
			looked += spans[i].nr_frames;
		}
		kinds[said].send(said, &vector);
		local_irq_restore(flags);
	}
}

/**
 * pagehint_teller_ask - folios are needed: is their content there?
 * @spans: a folio each
 * @nr: how many
 *
 * On return none of their frames is told to the host, but for those that another CPU
 * is in a call about. Not to be believed before the byte says so.
 *
 * Context: any but NMI; not under zone->lock.
 */
void pagehint_teller_ask(const struct pagehint_span *spans, unsigned int nr)
{
	pagehint_teller_say(PAGEHINT_ASK, spans, nr);
}

/* Of eight frames: the usual case. */
static bool nobody_told(unsigned long pfn)
{
	const u64 busy = 0x0101010101010101ULL * PAGEHINT_BUSY;

	return !(READ_ONCE(*(const u64 *)pagehint_table_byte(pfn)) & busy);
}

/**
 * pagehint_teller_ask_each - ask for frames by themselves
 * @pfn: first frame
 * @nr_frames: how many; those behind the table's end are skipped
 *
 * For when all of them are to become stable, and it is not known which of them are
 * a folio together.
 *
 * Context: process, may sleep.
 */
void pagehint_teller_ask_each(unsigned long pfn, unsigned long nr_frames)
{
	unsigned long end = min(pfn + nr_frames, pagehint_table.nr_bytes);

	while (pfn < end) {
		unsigned long stop = min(pfn + pagehint_teller->max_frames, end), flags;
		struct pagehint_vector vector;

		local_irq_save(flags);
		begin(&vector);
		while (pfn < stop) {
			if (IS_ALIGNED(pfn, 8) && pfn + 8 <= stop && nobody_told(pfn))
				pfn += 8;
			else if (pagehint_vector_ask(&vector, pfn, pfn + 1) > pfn)
				pfn++;
			else
				break;
		}
		ask(PAGEHINT_ASK, &vector);
		local_irq_restore(flags);
		cond_resched();
	}
}

static void repay_around(unsigned long pfn)
{
	unsigned long first = round_down(pfn, REPAY_AROUND), flags;
	struct pagehint_vector vector;

	local_irq_save(flags);
	begin(&vector);
	pagehint_vector_repay(&vector, pfn, first + REPAY_AROUND);
	pagehint_vector_repay(&vector, first, pfn);
	if (pagehint_left_out("kvm_repay"))
		pagehint_vector_answered(&vector, 0);
	else
		ask(PAGEHINT_REPAY, &vector);
	local_irq_restore(flags);
}

/**
 * pagehint_teller_settle - a frame is needed: wait_not_busy() of this backend
 * @byte: its state
 *
 * For a volatile frame the host is asked. For one that was freed since the host
 * was told, and is now allocated, it only has to forget it.
 *
 * Context: any but NMI; not under zone->lock.
 * Return: the byte without BUSY.
 */
u8 pagehint_teller_settle(u8 *byte)
{
	const struct pagehint_span span = { byte - pagehint_table.bytes, 1 };
	bool waited = false;
	u8 state;

	for (;;) {
		state = READ_ONCE(*byte);
		if (!(state & PAGEHINT_BUSY))
			break;
		if (pagehint_is_owed(state)) {
			repay_around(span.pfn);
		} else if (pagehint_is_told(state)) {
			pagehint_teller_ask(&span, 1);
		} else {
			waited = true;
			cpu_relax();
		}
	}
	pagehint_count(PAGEHINT_BUSY_WAITS, waited);
	return state;
}

/**
 * pagehint_teller_may_isolate - may a free block be isolated now?
 * @pfn: its first frame
 * @order: its size
 *
 * Not while the host has to hear of it first: whoever isolates holds zone->lock. To
 * him it is as if memory were short.
 *
 * Context: zone->lock.
 */
bool pagehint_teller_may_isolate(unsigned long pfn, unsigned int order)
{
	unsigned long end = pfn + (1UL << order);

	if (!pagehint_table_covers(pfn))
		return true;
	for (; pfn < end; pfn++) {
		if (unlikely(pagehint_host_owns(READ_ONCE(*pagehint_table_byte(pfn))))) {
			pagehint_count(PAGEHINT_NOT_ISOLATED, 1);
			return false;
		}
	}
	return true;
}

/**
 * pagehint_teller_nr_gone - pages of the page cache that were found gone
 *
 * Context: any.
 */
u64 pagehint_teller_nr_gone(void)
{
	return pagehint_counter_sum(PAGEHINT_HOST_GONE);
}

static void free_memory(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		free_page((unsigned long)per_cpu(memory, cpu));
		per_cpu(memory, cpu) = NULL;
	}
}

/**
 * pagehint_teller_close - undo pagehint_teller_open()
 *
 * Context: process; no hook is attached.
 */
void pagehint_teller_close(void)
{
	static_branch_disable(&pagehint_by_calls);
	free_memory();
	pagehint_teller = NULL;
}

/**
 * pagehint_teller_open - the host is one that is told
 * @teller: how
 *
 * With memory for a vector for each CPU.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int pagehint_teller_open(const struct pagehint_teller *teller)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		per_cpu(memory, cpu) = (void *)get_zeroed_page(GFP_KERNEL);
		if (!per_cpu(memory, cpu) || pagehint_fail_point()) {
			free_memory();
			return -ENOMEM;
		}
	}
	pagehint_teller = teller;
	static_branch_enable(&pagehint_by_calls);
	return 0;
}

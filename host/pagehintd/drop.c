// SPDX-License-Identifier: GPL-2.0
/*
 * One drop, in the order that the contract sets (include/uapi/pagehint.h):
 * record, claim, look at the lease, punch, mark, clear the record.
 *
 * A guest's CPU may spin on any byte from its claim on: nothing here allocates,
 * logs or sleeps but for fallocate itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>

#include "drop.h"

static void record(struct drop *drop, const struct drop_range *range)
{
	struct pagehint_header *header = drop->table->header;
	struct inflight *inflight = &drop->shared->inflight;
	uint32_t seq = inflight->seq + 1;

	table_write(inflight->first, range->first);
	table_write(inflight->seq, seq);
	table_write_release(inflight->count, range->count);
	table_write(header->busy_first, range->first);
	table_write(header->busy_seq, seq);
	table_write(header->busy_count, range->count);
	full_barrier();
}

static void clear_record(struct drop *drop)
{
	clear_busy_record(drop->table);
	table_write_release(drop->shared->inflight.count, 0);
}

/* Return: how many frames from the first on were claimed */
static uint32_t claim(uint8_t *state, const struct drop_range *range)
{
	uint32_t i;

	for (i = 0; i < range->count; i++) {
		uint8_t old = table_read(state[i]);
		unsigned int tries = SWAP_TRIES;

		do {
			if (!tries-- || !pagehint_host_may_claim(old) ||
			    (old & PAGEHINT_USAGE_MASK) != range->usage)
				return i;
		} while (!__atomic_compare_exchange_n(&state[i], &old,
						      pagehint_host_claim(old), false,
						      __ATOMIC_SEQ_CST,
						      __ATOMIC_RELAXED));
	}
	return i;
}

static void finish(uint8_t *state, uint32_t count, uint8_t (*move)(uint8_t))
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		uint8_t old = table_read(state[i]);
		unsigned int tries = SWAP_TRIES;

		/* Not ours any more only if the guest breaks the contract. */
		while (pagehint_host_owns(old) && tries-- &&
		       !__atomic_compare_exchange_n(&state[i], &old, move(old), false,
						    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			;
	}
}

static int punch(const struct drop_range *range, uint32_t count)
{
	int err;

	do {
		err = fallocate(range->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				range->file_frame << PAGEHINT_FRAME_SHIFT,
				(off_t)count << PAGEHINT_FRAME_SHIFT);
	} while (err && errno == EINTR);
	return err ? -errno : 0;
}

static void test_point(struct drop *drop, int where)
{
#ifdef PAGEHINT_TEST_HOOKS
	const struct test_hook *test = &drop->test;

	if (test->what == TEST_NOTHING || (int)test->where != where ||
	    shared_get(drop->shared->nr_ranges) != test->range)
		return;
	raise(test->what == TEST_DIE ? SIGKILL : SIGSTOP);
#else
	(void)drop;
	(void)where;
#endif
}

/**
 * drop_range - take the frames of a range that are still what they should be
 * @nr_dropped: how many, from the first on
 */
enum drop_result drop_range(struct drop *drop, const struct drop_range *range,
			    uint32_t *nr_dropped)
{
	uint8_t *state = &drop->table->state[range->first];
	enum drop_result result;
	uint64_t start = now_ns(), took;
	uint32_t count;
	int err;

	*nr_dropped = 0;
	shared_set(drop->shared->nr_ranges, drop->shared->nr_ranges + 1);
	record(drop, range);
	count = claim(state, range);
	full_barrier();
	test_point(drop, TEST_CLAIMED);

	if (!lease_holds(drop->lease, drop->table) || !drop->may_go_on(drop->context)) {
		finish(state, count, pagehint_host_unclaim);
		clear_record(drop);
		return DROP_STOPPED;
	}
	err = count ? punch(range, count) : 0;
	full_barrier();
	if (err) {
		/* How much of it went is not known: as after a crash. */
		finish(state, count, pagehint_host_recover);
		result = DROP_FAILED;
	} else {
		test_point(drop, TEST_DROPPED);
		finish(state, count, pagehint_host_dropped);
		result = count == range->count ? DROP_DONE : DROP_PART;
		*nr_dropped = count;
	}
	drop->nr_dropped += *nr_dropped;
	table_write(drop->table->header->nr_dropped, drop->nr_dropped);
	clear_record(drop);

	took = now_ns() - start;
	if (took > drop->shared->busy_max_ns)
		shared_set(drop->shared->busy_max_ns, took);
	errno = -err;
	return result;
}

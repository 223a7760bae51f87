// SPDX-License-Identifier: GPL-2.0
/*
 * The host of page_state_threads: drops ranges as a worker of pagehintd does,
 * dies at random between any two steps, and is recovered as a supervisor does.
 */
#include <unistd.h>

#include "host_model.h"
#include "threads.h"

/* Between any two steps: does the worker die there? It may also sleep. */
static bool crashes(uint64_t *random)
{
	unsigned int what = test_random(random) % 4096;

	if (what == 64)
		usleep(50);
	return what < 64;
}

/* A volatile frame became ABSENT: exactly one guest has to learn of it. */
static void account(struct host_move move, unsigned int frame)
{
	if (move.changed && move.state & PAGEHINT_ABSENT &&
	    (move.state & PAGEHINT_USAGE_MASK) == PAGEHINT_VOLATILE)
		count(&stats.lost[frame]);
}

/* After a crash: nothing is dropped here, whatever the lease says. */
static void recover(uint64_t *random)
{
	unsigned int first = vm.header.busy_first;
	unsigned int nr = vm.header.busy_count, i;

	/* For a while nobody does anything, and guests may wait for BUSY. */
	if (test_random(random) % 64 == 0)
		usleep(50);
	for (i = first; i < first + nr; i++)
		account(host_recover(&vm.state[i]), i);
	__atomic_store_n(&vm.header.busy_count, 0, __ATOMIC_RELEASE);
	count(&stats.crashes);
}

static void unclaim(const bool *claimed, unsigned int first, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (claimed[i])
			CHECK(host_unclaim(&vm.state[first + i]).changed,
			      "frame %u: the claim was lost before unclaim", first + i);
	}
	__atomic_store_n(&vm.header.busy_count, 0, __ATOMIC_RELEASE);
}

/* One range, in the order of the contract. False when the worker died. */
static bool drop_range(uint64_t *random)
{
	unsigned int first = test_random(random) % NR_FRAMES;
	unsigned int nr = 1 + test_random(random) % 64;
	bool claimed[64] = { false };
	unsigned int i;

	if (nr > NR_FRAMES - first)
		nr = NR_FRAMES - first;
	if (crashes(random))
		return true;	/* with nothing to recover */
	vm.header.busy_first = first;
	__atomic_store_n(&vm.header.busy_count, nr, __ATOMIC_SEQ_CST);
	if (crashes(random))
		return false;
	for (i = 0; i < nr; i++) {
		claimed[i] = host_claim(&vm.state[first + i]).changed;
		if (i % 8 == 0 && crashes(random))
			return false;
	}
	if (!__atomic_load_n(&vm.header.active, __ATOMIC_SEQ_CST)) {
		unclaim(claimed, first, nr);
		return true;
	}
	if (crashes(random))
		return false;
	for (i = 0; i < nr; i++) {
		if (!claimed[i])
			continue;
		CHECK(!__atomic_load_n(&lease_ended, __ATOMIC_RELAXED),
		      "frame %u: dropped after the lease had ended", first + i);
		vm.content[first + i][0] = 0;
		vm.content[first + i][1] = 0;
		count(&stats.dropped);
		if (i % 8 == 0 && crashes(random))
			return false;
	}
	for (i = 0; i < nr; i++) {
		struct host_move move;

		if (!claimed[i])
			continue;
		move = host_dropped(&vm.state[first + i]);
		CHECK(move.changed, "frame %u: the claim was lost before dropped()",
		      first + i);
		account(move, first + i);
		if (i % 8 == 0 && crashes(random))
			return false;
	}
	if (crashes(random))
		return false;
	__atomic_store_n(&vm.header.busy_count, 0, __ATOMIC_RELEASE);
	return true;
}

void *host_thread(void *seed)
{
	uint64_t random = *(uint64_t *)seed;

	while (!__atomic_load_n(&guests_done, __ATOMIC_ACQUIRE)) {
		if (!drop_range(&random))
			recover(&random);
		count(&stats.ranges);
	}
	return NULL;
}

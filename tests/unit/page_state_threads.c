// SPDX-License-Identifier: GPL-2.0
/*
 * Four CPUs of a guest and a host that drops, dies and recovers, all at random
 * and at full speed, against a model: a frame that was allocated keeps what
 * its owner writes; a volatile frame is whole, or reported discarded, once;
 * after the end of a lease nothing is dropped.
 *
 * Here: the guest's allocator (threads.h: pool_*), blocks that one thread
 * owns, the lease. The page cache is in threads_cache.c, the host in
 * threads_host.c.
 */
#include <sched.h>

#include <pagehint/page_state.h>

#include "threads.h"

#define NR_GUESTS	4
#define NR_BLOCKS	16	/* of a guest at most */
#define MAX_BLOCK	24

struct vm vm __attribute__((aligned(4096)));
struct stats stats;
bool lease_ended;
bool guests_done;
unsigned long guest_steps;

u8 pagehint_wait_not_busy(u8 *byte)
{
	unsigned int spins = 0;
	u8 state;

	count(&stats.waits);
	while ((state = READ_ONCE(*byte)) & PAGEHINT_BUSY && !test_failed()) {
		if (++spins % 64 == 0)
			sched_yield();
		cpu_relax();
	}
	return state & (u8)~PAGEHINT_BUSY;
}

/* ---- the allocator ---- */

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static bool pool_free[NR_FRAMES];

/* @nr free frames side by side, or -1. Their state is the caller's to change. */
int pool_take(unsigned int nr, uint64_t *random)
{
	unsigned int start = test_random(random) % NR_FRAMES;
	unsigned int i, run = 0;
	int first = -1;

	if (test_random(random) % 2)
		start &= ~7u;	/* half of the blocks aligned, as the kernel's are */
	pthread_mutex_lock(&pool_lock);
	for (i = start; i < NR_FRAMES; i++) {
		run = pool_free[i] ? run + 1 : 0;
		if (run == nr) {
			first = i + 1 - nr;
			break;
		}
	}
	for (i = 0; first >= 0 && i < nr; i++)
		pool_free[first + i] = false;
	pthread_mutex_unlock(&pool_lock);
	return first;
}

void pool_put(unsigned int first, unsigned int nr)
{
	unsigned int i;

	pthread_mutex_lock(&pool_lock);
	for (i = first; i < first + nr; i++) {
		CHECK(!pool_free[i], "the model freed frame %u twice", i);
		pool_free[i] = true;
	}
	pthread_mutex_unlock(&pool_lock);
}

/* Hinting goes off or on: the state of free frames changes under the lock. */
void pool_sweep(uint64_t *random)
{
	unsigned int first = test_random(random) % NR_FRAMES & ~15u;
	bool off = test_random(random) % 2;
	unsigned int i, nr;

	pthread_mutex_lock(&pool_lock);
	for (i = first; i < first + 16; i += nr + !nr) {
		for (nr = 0; i + nr < first + 16 && pool_free[i + nr]; nr++)
			;
		if (off)
			pagehint_state_alloc_range(&vm.state[i], nr);
		else
			pagehint_state_scan_range(&vm.state[i], nr);
	}
	pthread_mutex_unlock(&pool_lock);
}

/* At the end: all frames are free, and none is in the middle of anything. */
void pool_check(void)
{
	unsigned int i;

	for (i = 0; i < NR_FRAMES; i++) {
		u8 state = vm.state[i] & PAGEHINT_STATE_MASK;

		CHECK(pool_free[i], "frame %u was lost by the model", i);
		CHECK(state == PAGEHINT_STABLE || state == PAGEHINT_UNUSED ||
		      state == (PAGEHINT_UNUSED | PAGEHINT_ABSENT),
		      "frame %u: state %#x at the end", i, vm.state[i]);
		if (state & PAGEHINT_ABSENT)
			CHECK(content_is_zero(i), "frame %u: ABSENT, but not zero", i);
	}
}

/* ---- blocks that one thread owns ---- */

struct block {
	unsigned int first, nr;
	uint64_t seed;
};

static void block_write(struct block *block, uint64_t *random)
{
	unsigned int i;

	block->seed = test_random(random);
	for (i = 0; i < block->nr; i++)
		content_write(block->first + i, block->seed);
}

static void block_check(const struct block *block)
{
	unsigned int i;

	for (i = block->first; i < block->first + block->nr; i++) {
		CHECK(content_is(i, block->seed),
		      "frame %u: its owner's content is gone, state %#x", i, vm.state[i]);
	}
}

static void block_make_unused(const struct block *block)
{
	if (block->nr == 1)
		pagehint_state_free(&vm.state[block->first]);
	else
		pagehint_state_free_range(&vm.state[block->first], block->nr);
}

/* ABSENT promises zeros. Frames without it may be zero too, by a crash. */
static void block_make_stable(const struct block *block)
{
	unsigned int i, zeros = 0, absent;

	if (block->nr == 1) {
		u8 left = pagehint_state_alloc(&vm.state[block->first]);

		absent = left == PAGEHINT_STABLE ? 0 : !!(left & PAGEHINT_ABSENT);
	} else {
		absent = pagehint_state_alloc_range(&vm.state[block->first],
						    block->nr).absent;
	}
	for (i = block->first; i < block->first + block->nr; i++) {
		u8 state = READ_ONCE(vm.state[i]);

		CHECK(state == PAGEHINT_STABLE, "frame %u: allocated, but its state is %#x",
		      i, state);
		zeros += content_is_zero(i);
	}
	CHECK(zeros >= absent, "frame %u ff: %u reported absent, but %u are zero",
	      block->first, absent, zeros);
	if (absent)
		count(&stats.allocated_absent);
}

static void block_alloc(struct block *block, uint64_t *random)
{
	static const unsigned char sizes[] = { 1, 1, 1, 1, 8, 8, 16, 0 };
	unsigned int nr = sizes[test_random(random) % sizeof(sizes)];
	int first;

	if (!nr)
		nr = 1 + test_random(random) % MAX_BLOCK;
	first = pool_take(nr, random);
	if (first < 0)
		return;
	*block = (struct block){ .first = first, .nr = nr };
	if (test_random(random) % 16 == 0) {
		/* Freed before the event of its allocation: legal. */
		block_make_unused(block);
		pool_put(first, nr);
		block->nr = 0;
		return;
	}
	block_make_stable(block);
	block_write(block, random);
}

static void block_free(struct block *block)
{
	block_check(block);
	block_make_unused(block);
	pool_put(block->first, block->nr);
	block->nr = 0;
}

static void block_step(struct block *block, uint64_t *random)
{
	if (!block->nr) {
		block_alloc(block, random);
		return;
	}
	switch (test_random(random) % 4) {
	case 0:
		block_check(block);
		break;
	case 1:
		block_write(block, random);
		break;
	default:
		block_free(block);
		break;
	}
}

/* ---- the lease ---- */

/*
 * Ends the lease and then uses unused frames without any move, as the next
 * kernel would: nothing may be dropped until the lease is given again.
 */
static void lease_step(uint64_t *random)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct block block = { .nr = 1 + test_random(random) % MAX_BLOCK };
	unsigned int pause, i;
	int first;

	if (pthread_mutex_trylock(&lock))
		return;
	first = pool_take(block.nr, random);
	block.first = first;
	__atomic_store_n(&vm.header.active, 0, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&vm.header.busy_count, __ATOMIC_SEQ_CST) && !test_failed())
		sched_yield();
	__atomic_store_n(&lease_ended, true, __ATOMIC_RELAXED);

	if (first >= 0) {
		block_write(&block, random);
		for (pause = 1 + test_random(random) % 8; pause; pause--)
			sched_yield();
		block_check(&block);
		/* What is ABSENT reads as zeros: that promise is kept here. */
		for (i = block.first; i < block.first + block.nr; i++) {
			if (READ_ONCE(vm.state[i]) & PAGEHINT_ABSENT)
				memset(vm.content[i], 0, sizeof(vm.content[i]));
		}
		pool_put(block.first, block.nr);
	}

	__atomic_store_n(&lease_ended, false, __ATOMIC_RELAXED);
	__atomic_store_n(&vm.header.active, 1, __ATOMIC_SEQ_CST);
	count(&stats.leases);
	pthread_mutex_unlock(&lock);
}

/* ---- the run ---- */

static uint64_t sum(const uint64_t *counters)
{
	uint64_t total = 0;
	unsigned int i;

	for (i = 0; i < NR_FRAMES; i++)
		total += __atomic_load_n(&counters[i], __ATOMIC_RELAXED);
	return total;
}

static bool happened(const uint64_t *counter, uint64_t times)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED) >= times;
}

/* A run in which the host hardly ran, or nothing met, proves nothing. */
static bool everything_happened(void)
{
	return happened(&stats.ranges, guest_steps * NR_GUESTS / 50) &&
	       happened(&stats.crashes, 1000) && happened(&stats.leases, 100) &&
	       happened(&stats.dropped, 2000) && happened(&stats.kept, 1000) &&
	       happened(&stats.allocated_absent, 1000) && happened(&stats.waits, 100) &&
	       happened(&stats.large_discarded, 100) && happened(&stats.large_kept, 100) &&
	       sum(stats.discarded) >= 100;
}

void *guest_thread(void *seed)
{
	uint64_t random = *(uint64_t *)seed;
	struct block blocks[NR_BLOCKS] = { 0 };
	unsigned long step;
	unsigned int i;

	for (step = 0; !test_failed(); step++) {
		unsigned int what = test_random(&random) % 1024;

		/* Longer on a busy machine, where the host hardly runs. */
		if (step >= guest_steps && step % 1024 == 0 && everything_happened())
			break;

		if (what < 4)
			lease_step(&random);
		else if (what < 32)
			pool_sweep(&random);
		else if (what < 128)
			pagehint_state_set_temperature(&vm.state[test_random(&random) %
								 NR_FRAMES],
						       test_random(&random) % 16);
		else if (what < 512)
			cache_step(&random);
		else
			block_step(&blocks[test_random(&random) % NR_BLOCKS], &random);
	}
	for (i = 0; i < NR_BLOCKS; i++) {
		if (blocks[i].nr)
			block_free(&blocks[i]);
	}
	return NULL;
}

static void threads(void)
{
	unsigned long steps = test.brief ? 1000 * 1000 : 10 * 1000 * 1000;
	uint64_t seeds[NR_GUESTS + 1];
	pthread_t guests[NR_GUESTS], host;
	unsigned int i;

	guest_steps = steps / NR_GUESTS;
	memset(pool_free, true, sizeof(pool_free));
	memset(vm.state, PAGEHINT_UNUSED, sizeof(vm.state));
	vm.header.active = 1;
	for (i = 0; i < ARRAY_SIZE(seeds); i++)
		seeds[i] = test.seed * 1000 + i;

	pthread_create(&host, NULL, host_thread, &seeds[NR_GUESTS]);
	for (i = 0; i < NR_GUESTS; i++)
		pthread_create(&guests[i], NULL, guest_thread, &seeds[i]);
	for (i = 0; i < NR_GUESTS; i++)
		pthread_join(guests[i], NULL);
	__atomic_store_n(&guests_done, true, __ATOMIC_RELEASE);
	pthread_join(host, NULL);

	cache_empty();
	pool_check();

	test_note("%lu steps, seed %llu; %llu ranges, %llu frames dropped, %llu crashes; "
		  "%llu kept, %llu discarded, %llu and %llu large, %llu waits, %llu leases ended",
		  steps, (unsigned long long)test.seed,
		  (unsigned long long)stats.ranges, (unsigned long long)stats.dropped,
		  (unsigned long long)stats.crashes, (unsigned long long)stats.kept,
		  (unsigned long long)sum(stats.discarded),
		  (unsigned long long)stats.large_kept,
		  (unsigned long long)stats.large_discarded,
		  (unsigned long long)stats.waits, (unsigned long long)stats.leases);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "threads", threads },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}

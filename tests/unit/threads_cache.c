// SPDX-License-Identifier: GPL-2.0
/*
 * The page cache of page_state_threads: slots with a frame of known content
 * that any thread may look up, make volatile or take away, by the rules that
 * the kernel's page cache gives: a reference count that can be frozen at 1.
 */
#include <pagehint/page_state.h>

#include "threads.h"

#define NR_SLOTS	16
#define EMPTY		(-1)
#define FROZEN		0

/*
 * @seed, @frame and @nr belong to whoever froze the slot, or filled it. A folio of
 * several frames is lost as a whole when one of its frames is.
 */
static struct slot {
	int refs;	/* atomic: EMPTY, FROZEN, 1: unused, more: in use */
	bool recovering; /* atomic: only one may */
	unsigned int frame;
	unsigned int nr;
	uint64_t seed;
} slots[NR_SLOTS] = {
	[0 ... NR_SLOTS - 1] = { .refs = EMPTY },
};

static bool freeze(struct slot *slot, int from)
{
	return __atomic_compare_exchange_n(&slot->refs, &from, FROZEN, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void unfreeze(struct slot *slot, int to)
{
	__atomic_store_n(&slot->refs, to, __ATOMIC_RELEASE);
}

static bool get(struct slot *slot)
{
	int refs = __atomic_load_n(&slot->refs, __ATOMIC_RELAXED);

	do {
		if (refs <= FROZEN)
			return false;
	} while (!__atomic_compare_exchange_n(&slot->refs, &refs, refs + 1, false,
					      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return true;
}

static void put(struct slot *slot)
{
	__atomic_fetch_sub(&slot->refs, 1, __ATOMIC_RELEASE);
}

static void write_all(const struct slot *slot)
{
	unsigned int i;

	for (i = slot->frame; i < slot->frame + slot->nr; i++)
		content_write(i, slot->seed);
}

static void check_all(const struct slot *slot, const char *what)
{
	unsigned int i;

	for (i = slot->frame; i < slot->frame + slot->nr; i++) {
		CHECK(content_is(i, slot->seed), "frame %u of %u: %s, but its content is %#llx",
		      i - slot->frame, slot->nr, what,
		      (unsigned long long)vm.content[i][0]);
	}
}

static void fill(struct slot *slot, uint64_t *random)
{
	unsigned int nr = 1u << (test_random(random) % 8 < 5 ? 0 : test_random(random) % 4);
	int frame;

	if (!freeze(slot, EMPTY))
		return;
	frame = pool_take(nr, random);
	if (frame < 0) {
		unfreeze(slot, EMPTY);
		return;
	}
	pagehint_state_alloc_range(&vm.state[frame], nr);
	slot->frame = frame;
	slot->nr = nr;
	slot->seed = test_random(random);
	write_all(slot);
	unfreeze(slot, 1);
}

static void own(struct slot *slot)
{
	CHECK(!__atomic_exchange_n(&slot->recovering, true, __ATOMIC_RELAXED),
	      "frame %u: discarded was reported to two threads", slot->frame);
	write_all(slot);
	__atomic_store_n(&slot->recovering, false, __ATOMIC_RELAXED);
}

static void use(struct slot *slot)
{
	enum pagehint_kept kept;
	unsigned int frame;

	if (!get(slot))
		return;
	frame = slot->frame;
	/* As the kernel's getters: for one frame the usual case comes first. */
	if (slot->nr == 1 && slot->seed % 8 == 0 && pagehint_state_keep(&vm.state[frame])) {
		count(&stats.kept);
		check_all(slot, "kept");
		put(slot);
		return;
	}
	kept = slot->nr > 1 || slot->seed % 2 ?
	       pagehint_state_make_stable_range(&vm.state[frame], slot->nr) :
	       pagehint_state_make_stable(&vm.state[frame]);
	/* Some leave it to whoever comes next. */
	if (kept == PAGEHINT_DISCARDED && slot->nr == 1 && slot->seed % 3 == 0) {
		own(slot);
		pagehint_state_lost(&vm.state[frame]);
		kept = pagehint_state_make_stable(&vm.state[frame]);
	}
	if (kept == PAGEHINT_DISCARDED) {
		count(slot->nr > 1 ? &stats.large_discarded : &stats.discarded[frame]);
		own(slot);
		pagehint_state_recovered(&vm.state[frame]);
	} else {
		if (kept == PAGEHINT_KEPT)
			count(slot->nr > 1 ? &stats.large_kept : &stats.kept);
		check_all(slot, "said to be whole");
	}
	put(slot);
}

static void make_volatile(struct slot *slot, uint64_t *random)
{
	bool stable, made;
	unsigned int i;

	if (!freeze(slot, 1))
		return;
	stable = __atomic_load_n(&vm.state[slot->frame], __ATOMIC_RELAXED) ==
		 PAGEHINT_STABLE;
	made = pagehint_state_make_volatile_range(&vm.state[slot->frame], slot->nr,
						  test_random(random) % 16);
	for (i = 0; slot->nr > 1 && made && i < slot->nr; i++)
		count(&stats.large[slot->frame + i]);
	CHECK(made == stable, "frame %u: make volatile returned %d for %s frame",
	      slot->frame, made, stable ? "a stable" : "a hinted");
	unfreeze(slot, 1);
}

static void take_away(struct slot *slot)
{
	unsigned int frame;
	u8 *byte, before, after;

	if (!freeze(slot, 1))
		return;
	frame = slot->frame;
	byte = &vm.state[frame];

	if (slot->nr > 1) {
		/* Where free memory is not hinted, it is stable before it is free. */
		if (slot->seed % 2)
			pagehint_state_release(byte, slot->nr);
		if ((READ_ONCE(*byte) & PAGEHINT_USAGE_MASK) == PAGEHINT_STABLE &&
		    !(slot->seed % 2))
			check_all(slot, "stable");
		pagehint_state_free_range(byte, slot->nr);
		pool_put(frame, slot->nr);
		unfreeze(slot, EMPTY);
		return;
	}

	/* As bulk allocation does with entries that the caller had filled. */
	before = pagehint_state_alloc(byte) & PAGEHINT_USAGE_MASK;
	after = __atomic_load_n(byte, __ATOMIC_RELAXED);
	CHECK(before == (after & PAGEHINT_USAGE_MASK),
	      "frame %u: an allocation event changed usage %u to %u",
	      frame, before, after & PAGEHINT_USAGE_MASK);
	if ((after & PAGEHINT_USAGE_MASK) == PAGEHINT_STABLE)
		CHECK(content_is(frame, slot->seed), "frame %u: content lost", frame);
	else if (after & PAGEHINT_ABSENT)
		count(&stats.freed_absent[frame]);
	else
		count(&stats.freed_volatile[frame]);
	pagehint_state_free(byte);
	pool_put(frame, 1);
	unfreeze(slot, EMPTY);
}

void cache_step(uint64_t *random)
{
	struct slot *slot = &slots[test_random(random) % NR_SLOTS];
	unsigned int what = test_random(random) % 16;

	if (what < 2)
		fill(slot, random);
	else if (what < 9)
		use(slot);
	else if (what < 15)
		make_volatile(slot, random);
	else
		take_away(slot);
}

/* When nobody else runs: everything is accounted for, frame by frame. */
void cache_empty(void)
{
	unsigned int i;

	for (i = 0; i < NR_SLOTS; i++) {
		CHECK(slots[i].refs == EMPTY || slots[i].refs == 1,
		      "slot %u: %d references at the end", i, slots[i].refs);
		take_away(&slots[i]);
	}
	for (i = 0; i < NR_FRAMES; i++) {
		uint64_t known = stats.discarded[i] + stats.freed_absent[i];

		CHECK(stats.lost[i] >= known &&
		      stats.lost[i] <= known + stats.freed_volatile[i] + stats.large[i],
		      "frame %u: lost %llu times: %llu reported, %llu freed absent, %llu freed volatile, %llu in large folios",
		      i, (unsigned long long)stats.lost[i],
		      (unsigned long long)stats.discarded[i],
		      (unsigned long long)stats.freed_absent[i],
		      (unsigned long long)stats.freed_volatile[i],
		      (unsigned long long)stats.large[i]);
	}
}

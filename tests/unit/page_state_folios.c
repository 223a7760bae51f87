// SPDX-License-Identifier: GPL-2.0
/*
 * The moves over a folio, for every folio of up to four frames and every state
 * of each: made volatile whole or not at all; made stable whole, and lost when
 * one frame is lost; released; and no neighbour touched. The host ends every
 * claim with a drop.
 */
#include <pagehint/page_state.h>

#include "host_model.h"
#include "test.h"

#define MAX_FRAMES	4
#define GUARD		2
#define GUARD_STATE	(PAGEHINT_VOLATILE | PAGEHINT_ABSENT)

static unsigned int waits;

u8 pagehint_wait_not_busy(u8 *byte)
{
	waits++;
	host_dropped(byte);
	return *byte;
}

static const u8 states[] = {
	PAGEHINT_STABLE, PAGEHINT_UNUSED, PAGEHINT_UNUSED | PAGEHINT_ABSENT,
	PAGEHINT_UNUSED | PAGEHINT_BUSY, PAGEHINT_VOLATILE,
	PAGEHINT_VOLATILE | 3 << PAGEHINT_TEMP_SHIFT,
	PAGEHINT_VOLATILE | PAGEHINT_ABSENT, PAGEHINT_VOLATILE | PAGEHINT_BUSY,
};

static u8 bytes[GUARD + MAX_FRAMES + GUARD], before[sizeof(bytes)];
static u8 * const first = bytes + GUARD;

static unsigned int number_of_cases(unsigned int nr)
{
	unsigned int cases = 1;

	while (nr--)
		cases *= ARRAY_SIZE(states);
	return cases;
}

static void set_up(unsigned int nr, unsigned int number)
{
	unsigned int i;

	memset(bytes, GUARD_STATE, sizeof(bytes));
	for (i = 0; i < nr; i++, number /= ARRAY_SIZE(states))
		first[i] = states[number % ARRAY_SIZE(states)];
	memcpy(before, bytes, sizeof(bytes));
	waits = 0;
}

static bool is_volatile(u8 state)
{
	return (state & PAGEHINT_USAGE_MASK) == PAGEHINT_VOLATILE;
}

static bool is_lost(u8 state)
{
	return is_volatile(state) && state & (PAGEHINT_ABSENT | PAGEHINT_BUSY);
}

static void check_guards(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < sizeof(bytes); i++) {
		if (i < GUARD || i >= GUARD + nr)
			CHECK(bytes[i] == GUARD_STATE, "a neighbour of %u frames is %#x",
			      nr, bytes[i]);
	}
}

static void for_all(void (*check)(unsigned int nr))
{
	unsigned int nr, number;

	for (nr = 1; nr <= MAX_FRAMES; nr++) {
		for (number = 0; number < number_of_cases(nr); number++) {
			set_up(nr, number);
			check(nr);
			check_guards(nr);
		}
	}
}

static void check_make_volatile(unsigned int nr)
{
	bool made = pagehint_state_make_volatile_range(first, nr, 5), all_stable = true;
	unsigned int i;

	for (i = 0; i < nr; i++)
		all_stable = all_stable && before[GUARD + i] == PAGEHINT_STABLE;
	CHECK(made == all_stable, "%u frames: made volatile: %d", nr, made);
	for (i = 0; i < nr; i++) {
		u8 expect = made ? PAGEHINT_VOLATILE | 5 << PAGEHINT_TEMP_SHIFT :
				   before[GUARD + i];

		CHECK(first[i] == expect, "frame %u of %u: %#x became %#x", i, nr,
		      before[GUARD + i], first[i]);
	}
}

static void make_volatile(void)
{
	for_all(check_make_volatile);
}

/* Frames of a folio are volatile together, or stable or freed together. */
static void check_make_stable(unsigned int nr)
{
	enum pagehint_kept kept, expect = PAGEHINT_KEPT;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (is_volatile(before[GUARD]) != is_volatile(before[GUARD + i]))
			return;
		if (is_lost(before[GUARD + i]))
			expect = PAGEHINT_DISCARDED;
	}
	if (!is_volatile(before[GUARD]))
		expect = PAGEHINT_WAS_STABLE;
	kept = pagehint_state_make_stable_range(first, nr);
	CHECK(kept == expect, "%u frames from %#x: kept %d, expected %d", nr,
	      before[GUARD], kept, expect);
	for (i = 0; i < nr; i++) {
		u8 after = PAGEHINT_STABLE;

		if (expect == PAGEHINT_WAS_STABLE)
			after = before[GUARD + i];
		else if (expect == PAGEHINT_DISCARDED && !i)
			after = PAGEHINT_RECOVERING;
		CHECK(first[i] == after, "frame %u of %u: %#x became %#x, expected %#x",
		      i, nr, before[GUARD + i], first[i], after);
	}
	if (kept != PAGEHINT_DISCARDED)
		return;
	pagehint_state_recovered(first);
	CHECK(*first == PAGEHINT_STABLE, "recovered, but %#x", *first);
}

static void make_stable(void)
{
	for_all(check_make_stable);
}

static void check_release(unsigned int nr)
{
	unsigned int released = pagehint_state_release(first, nr), expect = 0, busy = 0, i;

	for (i = 0; i < nr; i++) {
		u8 old = before[GUARD + i];

		expect += is_volatile(old);
		busy += is_volatile(old) && old & PAGEHINT_BUSY;
		CHECK(first[i] == (is_volatile(old) ? PAGEHINT_STABLE : old),
		      "frame %u of %u: %#x was released to %#x", i, nr, old, first[i]);
	}
	CHECK(released == expect, "%u frames: released %u, expected %u", nr, released, expect);
	CHECK(waits == busy, "%u frames: waited %u times for %u busy ones", nr, waits, busy);
}

static void release(void)
{
	for_all(check_release);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "make_volatile", make_volatile },
		{ "make_stable", make_stable },
		{ "release", release },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}

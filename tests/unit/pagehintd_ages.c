// SPDX-License-Identifier: GPL-2.0
/*
 * How long frames have been volatile, and which of them go first: against a
 * model that keeps exact times.
 */
#include <sys/mman.h>

#include <ages.h>

#undef ARRAY_SIZE
#include "test.h"

#define FRAMES		4096
#define GROUPS		(FRAMES / AGES_GROUP)
#define FIRST		3	/* of the piece: extents begin anywhere */
#define LAST		(FRAMES - 5)
#define SKEW		509	/* of the file */
#define SECOND		(1ULL << 30)

static _Alignas(8) uint8_t state[FRAMES];

/* What the model knows of the last look */
static struct {
	bool member[FRAMES];
	uint64_t since[GROUPS];	/* when the last member joined */
	uint64_t now;
} model;

struct taken {
	bool frame[FRAMES];
	uint64_t last_end, nr, nr_ranges, stop_after;
};

static bool is_volatile(uint8_t byte)
{
	return (byte & PAGEHINT_STATE_MASK) == PAGEHINT_VOLATILE;
}

static bool take(void *context, uint64_t first, uint32_t count)
{
	struct taken *taken = context;
	uint64_t at = SKEW + first - FIRST;

	CHECK(count && count <= PAGEHINT_MAX_BUSY, "a range of %u frames", count);
	CHECK(first >= FIRST && first + count <= LAST, "frames that are not of the piece");
	CHECK(first >= taken->last_end, "ranges are not in order");
	CHECK(at / PAGEHINT_MAX_BUSY == (at + count - 1) / PAGEHINT_MAX_BUSY,
	      "frames %lu+%u cross 2 MiB", at, count);
	CHECK(first != taken->last_end || !first || at % PAGEHINT_MAX_BUSY == 0,
	      "neighbours are not joined at %lu", first);
	memset(&taken->frame[first], true, count);
	taken->last_end = first + count;
	taken->nr += count;
	return ++taken->nr_ranges != taken->stop_after;
}

static void take_chosen(struct choice choice, struct taken *taken)
{
	const struct scan_piece piece = {
		.state = state, .first = FIRST, .nr_frames = LAST - FIRST, .file_frame = SKEW,
	};

	choice_take(&choice, &piece, take, taken);
}

static void set_up(struct ages *ages)
{
	memset(state, 0, sizeof(state));
	memset(&model, 0, sizeof(model));
	memset(ages, 0, sizeof(*ages));
	model.now = 1000 * SECOND + 1;
	if (ages_init(ages, FRAMES))
		abort();
	ages->temperatures = true;
}

static void tear_down(struct ages *ages)
{
	munmap(ages->group, FRAMES / AGES_GROUP * sizeof(*ages->group) + FRAMES / BLOCK_FRAMES);
}

static void look(struct ages *ages, uint64_t passed_ns)
{
	unsigned int i;

	model.now += passed_ns;
	ages_begin(ages, model.now);
	ages_look(ages, state, FIRST, LAST - FIRST);
	for (i = FIRST; i < LAST; i++) {
		if (is_volatile(state[i]) && !model.member[i])
			model.since[i / AGES_GROUP] = model.now;
		model.member[i] = is_volatile(state[i]);
	}
}

/* Of the members of a frame's group; -1 if it has none */
static int temperature_of(unsigned int frame)
{
	unsigned int first = frame - frame % AGES_GROUP, i;
	int hottest = -1;

	for (i = first; i < first + AGES_GROUP; i++) {
		if (i >= FIRST && i < LAST && is_volatile(state[i]) &&
		    state[i] >> PAGEHINT_TEMP_SHIFT > hottest)
			hottest = state[i] >> PAGEHINT_TEMP_SHIFT;
	}
	return hottest;
}

/* None that stays should have gone before one that goes. */
static void check_order(const struct taken *taken)
{
	uint64_t youngest[NR_TEMPERATURES], oldest[NR_TEMPERATURES] = { 0 };
	int hottest_taken = -1, coldest_left = NR_TEMPERATURES, t;
	unsigned int i;

	memset(youngest, 0xff, sizeof(youngest));
	for (i = FIRST; i < LAST; i++) {
		uint64_t age = model.now - model.since[i / AGES_GROUP];

		t = temperature_of(i);
		if (taken->frame[i]) {
			if (!CHECK(is_volatile(state[i]), "frame %u (%#x) was taken", i, state[i]))
				return;
			hottest_taken = t > hottest_taken ? t : hottest_taken;
			youngest[t] = age < youngest[t] ? age : youngest[t];
		} else if (is_volatile(state[i])) {
			coldest_left = t < coldest_left ? t : coldest_left;
			oldest[t] = age > oldest[t] ? age : oldest[t];
		}
	}
	CHECK(hottest_taken <= coldest_left, "taken at temperature %d, left at %d",
	      hottest_taken, coldest_left);
	/* Classes double; one is passed at each look at most, here of a second. */
	for (t = 0; t < NR_TEMPERATURES; t++)
		CHECK(youngest[t] == UINT64_MAX || oldest[t] <= 4 * youngest[t] + 8 * SECOND,
		      "of temperature %d: taken after %.1f s, left after %.1f s", t,
		      youngest[t] / 1e9, oldest[t] / 1e9);
}

static void change(uint64_t *random)
{
	unsigned int changes = test_random(random) % 12;

	while (changes--) {
		uint64_t pick = test_random(random), first = pick % FRAMES, i;
		uint64_t count = (pick >> 16) % ((pick >> 32) % 4 ? 20 : 900);
		uint8_t byte = (pick >> 40) % 3 ? PAGEHINT_VOLATILE : pick >> 44;

		byte = (byte & PAGEHINT_STATE_MASK) | (pick >> 52) % 6 << PAGEHINT_TEMP_SHIFT;
		for (i = first; i < first + count && i < FRAMES; i++)
			state[i] = byte;
	}
}

static void order(void)
{
	unsigned int rounds = test.brief ? 3000 : 30000, looks = 0;
	uint64_t random = test.seed, total, wanted, i;
	struct taken taken;
	struct ages ages;

	set_up(&ages);
	while (rounds-- && !test_failed()) {
		/* Most of the time nothing happens: else nothing gets old. */
		if (test_random(&random) % 16 == 0)
			change(&random);
		look(&ages, test_random(&random) % SECOND);
		looks++;
		for (i = FIRST, total = 0; i < LAST; i++)
			total += is_volatile(state[i]);
		if (test_random(&random) % 8)
			continue;
		wanted = test_random(&random) % (total + 64);
		memset(&taken, 0, sizeof(taken));
		take_chosen(ages_choose(&ages, wanted), &taken);
		CHECK(taken.nr >= (wanted < total ? wanted : total) &&
		      taken.nr < wanted + AGES_GROUP, "wanted %lu of %lu, took %lu", wanted,
		      total, taken.nr);
		check_order(&taken);
		/* Without ages: as they come, of the one usage */
		memset(&taken, 0, sizeof(taken));
		take_chosen((struct choice) { .usage = PAGEHINT_VOLATILE, .nr_last = UINT64_MAX },
			    &taken);
		CHECK(taken.nr == total, "expected all %lu, took %lu", total, taken.nr);
	}
	test_note("%u looks", looks);
	tear_down(&ages);
}

static bool goes_first(const struct ages *ages, unsigned int frame)
{
	struct taken taken = { .nr = 0 };

	take_chosen(ages_choose(ages, 1), &taken);
	return taken.frame[frame];
}

/* One that comes back is new, and its neighbours with it; one that goes is not. */
static void interrupted(void)
{
	struct ages ages;
	unsigned int i;

	set_up(&ages);
	memset(state + 1000, PAGEHINT_VOLATILE, 8);
	memset(state + 2000, PAGEHINT_VOLATILE, 8);
	for (i = 0; i < 30; i++)
		look(&ages, SECOND);
	CHECK(goes_first(&ages, 1000), "of equals the first does not go first");
	state[1003] = PAGEHINT_STABLE;
	look(&ages, SECOND);
	CHECK(goes_first(&ages, 1000), "made younger by one that left");
	state[1003] = PAGEHINT_VOLATILE;
	look(&ages, SECOND);
	CHECK(goes_first(&ages, 2000), "one that came back is as old as before");
	/* Dropped and read again: new as well */
	state[2000] = PAGEHINT_VOLATILE | PAGEHINT_ABSENT;
	look(&ages, SECOND);
	CHECK(goes_first(&ages, 2001), "made younger by one that was dropped");
	memset(state + 2001, PAGEHINT_STABLE, 7);
	look(&ages, SECOND);
	memset(state + 2001, PAGEHINT_VOLATILE, 7);
	look(&ages, SECOND);
	CHECK(goes_first(&ages, 1000), "the age of a group stays when all have left");
	/* Since the last look: not counted, and younger than all */
	memset(state + 104, PAGEHINT_VOLATILE, 8);
	CHECK(!goes_first(&ages, 104), "one that no look has seen goes first");
	/* Temperature before age, if it means anything */
	for (i = 0; i < 30; i++)
		look(&ages, SECOND);
	memset(state + 104, PAGEHINT_VOLATILE | 0x10, 8);
	memset(state + 1000, PAGEHINT_VOLATILE | 0x20, 8);
	memset(state + 2000, PAGEHINT_VOLATILE | 0x10, 8);
	state[110] = PAGEHINT_VOLATILE | 0x30;
	look(&ages, SECOND);
	CHECK(goes_first(&ages, 2000), "a hot one among eight does not count");
	ages.temperatures = false;
	look(&ages, SECOND);
	CHECK(goes_first(&ages, 104), "temperatures count that the guest does not have");
	ages_forget(&ages);
	look(&ages, SECOND);
	CHECK(goes_first(&ages, 104) && ages.group[2000 / AGES_GROUP].age == 0, "not forgotten");
	tear_down(&ages);
}

/* Ages reach from seconds to hours, and never overtake each other. */
static void hours(void)
{
	static const unsigned int joined[] = { 0, 2, 10, 60, 300, 1500, 7200 };
	unsigned int second, i, distinct = 0;
	struct ages ages;

	set_up(&ages);
	for (second = 0; second < 36000; second++) {
		for (i = 0; i < ARRAY_SIZE(joined); i++) {
			if (second == joined[i])
				memset(state + 8 * (100 - i), PAGEHINT_VOLATILE, 8);
		}
		look(&ages, SECOND);
		for (i = 1; i < ARRAY_SIZE(joined) && second >= joined[i]; i++) {
			uint8_t older = ages.group[100 - i + 1].age;
			uint8_t younger = ages.group[100 - i].age;

			if (!CHECK(younger <= older, "after %u s: %u s is of class %u, %u s of %u",
				   second, joined[i], younger, joined[i - 1], older))
				return;
			/* Where one is more than four times as old as the other */
			if (second - joined[i - 1] < 4 * (second - joined[i]) + 4)
				continue;
			distinct++;
			CHECK(younger < older, "after %u s: joined at %u and %u, both of class %u",
			      second, joined[i - 1], joined[i], older);
		}
	}
	CHECK(distinct > 1000, "only %u comparisons", distinct);
	CHECK(ages.group[100].age == 15, "after %u s of class %u", second, ages.group[100].age);
	tear_down(&ages);
}

/* A taker that has had enough is not asked again. */
static void stops(void)
{
	struct taken taken = { .stop_after = 2 };
	struct ages ages;
	unsigned int i;

	set_up(&ages);
	for (i = 0; i < FRAMES; i += 2)
		state[i] = PAGEHINT_VOLATILE;
	look(&ages, SECOND);
	take_chosen(ages_choose(&ages, UINT64_MAX), &taken);
	CHECK(taken.nr_ranges == 2, "%lu ranges", taken.nr_ranges);
	tear_down(&ages);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "order", order },
		{ "interrupted", interrupted },
		{ "hours", hours },
		{ "stops", stops },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}

// SPDX-License-Identifier: GPL-2.0
/*
 * What the host module knows of volatile frames (host/kvm/block.c), against a
 * model that has a record a frame and counts by looking at all of them.
 */
#include <block.h>

#undef ARRAY_SIZE
#include "test.h"

#define BLOCKS	3
#define FRAMES	(BLOCKS * PAGEHINT_BLOCK_FRAMES)

static struct pagehint_block block[BLOCKS];
static struct pagehint_tally tally;

static struct {
	bool known, gone;
	unsigned int temperature;
} model[FRAMES];

static void clear(void)
{
	memset(block, 0, sizeof(block));
	memset(&tally, 0, sizeof(tally));
	memset(model, 0, sizeof(model));
}

static void check_counts(void)
{
	uint64_t there[PAGEHINT_TEMPERATURES] = { 0 }, gone = 0;
	unsigned int b, i, t;

	for (b = 0; b < BLOCKS; b++) {
		unsigned int here[PAGEHINT_TEMPERATURES] = { 0 }, gone_here = 0, known = 0;

		for (i = b * PAGEHINT_BLOCK_FRAMES; i < (b + 1) * PAGEHINT_BLOCK_FRAMES; i++) {
			known += model[i].known;
			gone_here += model[i].known && model[i].gone;
			here[model[i].temperature] += model[i].known && !model[i].gone;
		}
		for (t = 0; t < PAGEHINT_TEMPERATURES; t++) {
			CHECK(block[b].there[t] == here[t], "block %u has %u at %u, expected %u",
			      b, block[b].there[t], t, here[t]);
			there[t] += here[t];
		}
		CHECK(block[b].absent == gone_here, "block %u: %u absent, expected %u", b,
		      block[b].absent, gone_here);
		CHECK(pagehint_block_empty(&block[b]) == !known, "block %u of %u frames: empty %d",
		      b, known, pagehint_block_empty(&block[b]));
		gone += gone_here;
	}
	for (t = 0; t < PAGEHINT_TEMPERATURES; t++)
		CHECK(tally.there[t] == there[t], "%lu at %u, expected %lu",
		      (long)tally.there[t], t, there[t]);
	CHECK(tally.absent == gone, "%lu absent, expected %lu", (long)tally.absent, gone);
}

static void make_volatile(unsigned int b, unsigned int first, unsigned int nr, uint8_t t)
{
	unsigned int i;

	pagehint_block_make_volatile(&block[b], &tally, first, nr, t);
	for (i = b * PAGEHINT_BLOCK_FRAMES + first; nr--; i++) {
		/* What is gone does not come back by saying so. */
		if (model[i].known && model[i].gone)
			continue;
		model[i].known = true;
		model[i].gone = false;
		model[i].temperature = t;
	}
}

static void make_stable(unsigned int b, unsigned int first, unsigned int nr)
{
	unsigned int i, kept = 0, got = pagehint_block_make_stable(&block[b], &tally, first, nr);

	for (i = b * PAGEHINT_BLOCK_FRAMES + first; nr--; i++) {
		kept += model[i].known && !model[i].gone;
		model[i].known = false;
	}
	CHECK(got == kept, "%u kept, expected %u", got, kept);
}

/* Drops one run; what was found must be the next that there is, and all of it. */
static unsigned int drop(unsigned int b, unsigned int from, uint8_t t, bool really)
{
	unsigned int first = from, nr = 0, base = b * PAGEHINT_BLOCK_FRAMES, i, end;
	bool found = pagehint_block_find(&block[b], t, &first, &nr);

#define DROPPABLE(i)	(model[base + (i)].known && !model[base + (i)].gone && \
			 model[base + (i)].temperature == t)
	for (i = from; i < PAGEHINT_BLOCK_FRAMES && !DROPPABLE(i); i++)
		;
	for (end = i; end < PAGEHINT_BLOCK_FRAMES && DROPPABLE(end); end++)
		;
	if (!CHECK(!found == !(end - i), "found %d, expected %u frames", found, end - i) || !found)
		return 0;
	if (!CHECK(first == i && nr == end - i, "found %u+%u, expected %u+%u", first, nr, i,
		   end - i))
		return 0;
	if (really) {
		pagehint_block_dropped(&block[b], &tally, first, nr);
		for (; i < end; i++)
			model[base + i].gone = true;
	}
	return nr;
}

static void steps(void)
{
	uint64_t rounds = test.rounds ? test.rounds : test.brief ? 20000 : 300000;
	uint64_t random = test.seed, dropped = 0, round;

	clear();
	for (round = 0; round < rounds && !test_failed(); round++) {
		uint64_t pick = test_random(&random);
		unsigned int b = pick % BLOCKS, first = (pick >> 8) % PAGEHINT_BLOCK_FRAMES;
		unsigned int nr = 1 + (pick >> 20) % (pick >> 32 & 7 ? 12 : 512);
		/* Few temperatures: else no runs */
		uint8_t t = (pick >> 36) % 3 ? (pick >> 40) % 2 * 15 : (pick >> 40) % 16;

		if (nr > PAGEHINT_BLOCK_FRAMES - first)
			nr = PAGEHINT_BLOCK_FRAMES - first;
		switch ((pick >> 48) % 8) {
		case 0:
		case 1:
		case 2:
			make_volatile(b, first, nr, t);
			break;
		case 3:
		case 4:
			make_stable(b, first, nr);
			break;
		case 5:
			drop(b, first, t, false);
			break;
		case 6:
			/* Also frames that are not droppable: those stay as they are. */
			if (pick >> 60) {
				dropped += drop(b, first, t, true);
				break;
			}
			pagehint_block_dropped(&block[b], &tally, first, nr);
			for (unsigned int i = b * PAGEHINT_BLOCK_FRAMES + first; nr--; i++)
				model[i].gone |= model[i].known;
			break;
		case 7:
			if (pick >> 58)
				break;
			make_stable(b, 0, PAGEHINT_BLOCK_FRAMES);
			break;
		}
		/* Gone belongs to what is known. */
		for (unsigned int i = 0; i < FRAMES; i++)
			model[i].gone &= model[i].known;
		if (round % 8 == 0)
			check_counts();
	}
	check_counts();
	CHECK(dropped > rounds / 100, "only %lu frames were dropped", dropped);
	test_note("%lu steps, %lu frames dropped", rounds, dropped);
}

/* The words of the rule, one by one, for people */
static void rule(void)
{
	clear();
	make_stable(0, 0, PAGEHINT_BLOCK_FRAMES);	/* never heard of: not kept */
	make_volatile(0, 10, 4, 3);
	make_stable(0, 9, 6);				/* four kept of six */
	make_stable(0, 10, 4);				/* a second time: none */
	make_volatile(0, 10, 4, 3);
	CHECK(drop(0, 0, 2, true) == 0, "dropped at another temperature");
	CHECK(drop(0, 0, 3, true) == 4, "not dropped");
	CHECK(drop(0, 0, 3, true) == 0, "dropped twice");
	make_volatile(0, 10, 4, 5);			/* gone stays gone */
	CHECK(drop(0, 0, 5, true) == 0, "dropped twice");
	make_stable(0, 10, 4);
	make_volatile(0, 10, 4, 5);			/* new content: kept */
	make_stable(0, 10, 4);
	check_counts();
}

/* The whole and its ends, at every temperature */
static void edges(void)
{
	unsigned int t;

	for (t = 0; t < PAGEHINT_TEMPERATURES; t++) {
		clear();
		make_volatile(1, 0, PAGEHINT_BLOCK_FRAMES, t);
		make_volatile(1, 0, 1, (t + 1) % PAGEHINT_TEMPERATURES);
		make_volatile(1, PAGEHINT_BLOCK_FRAMES - 1, 1, (t + 1) % PAGEHINT_TEMPERATURES);
		check_counts();
		CHECK(drop(1, 0, t, true) == PAGEHINT_BLOCK_FRAMES - 2, "the ends go too");
		CHECK(drop(1, 1, (t + 1) % PAGEHINT_TEMPERATURES, true) == 1, "the last");
		CHECK(drop(1, PAGEHINT_BLOCK_FRAMES, t, true) == 0, "beyond the end");
		make_stable(1, 0, PAGEHINT_BLOCK_FRAMES);
		check_counts();
	}
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "rule", rule },
		{ "edges", edges },
		{ "steps", steps },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}

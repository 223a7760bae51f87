// SPDX-License-Identifier: GPL-2.0
/*
 * The moves over ranges and blocks work on several frames at once where they
 * can. They must do exactly what the single-frame moves do, one frame after the
 * other: for every length 0..40 at every place in a word, for every order 0..5
 * at every place a block can be, on random contents, and without touching a
 * neighbour.
 */
#include <pagehint/page_state.h>

#include "host_model.h"
#include "test.h"

#define MAX_FRAMES	40
#define GUARD		16	/* before and after, in whole words */

struct table {
	u8 bytes[GUARD + 8 + MAX_FRAMES + GUARD] __attribute__((aligned(8)));
};

/* The host ends every claim with a drop; which byte it was is compared too. */
u8 pagehint_wait_not_busy(u8 *byte)
{
	host_dropped(byte);
	return *byte;
}

struct result {
	unsigned int frames;
	unsigned int absent;
};

/* A range move, and the single-frame move that says what it has to do. */
struct pair {
	bool blocks;	/* only powers of two, aligned */
	struct result (*range)(u8 *first, unsigned long nr);
	void (*one)(u8 *byte, struct result *sum);
};

static struct result free_range(u8 *first, unsigned long nr)
{
	return (struct result){ pagehint_state_free_range(first, nr), 0 };
}

static void free_one(u8 *byte, struct result *sum)
{
	sum->frames += pagehint_state_free_slow(byte);
}

static struct result free_block(u8 *first, unsigned long nr)
{
	unsigned int order = __builtin_ctzl(nr);

	if (order && order <= PAGEHINT_MAX_WORD_ORDER && pagehint_state_free_word(first, order))
		return (struct result){ nr, 0 };
	return free_range(first, nr);
}

static struct result alloc_range(u8 *first, unsigned long nr)
{
	struct pagehint_changed changed = pagehint_state_alloc_range(first, nr);

	return (struct result){ changed.frames, changed.absent };
}

static struct result alloc_block(u8 *first, unsigned long nr)
{
	unsigned int order = __builtin_ctzl(nr);
	u8 state;

	if (order && order <= PAGEHINT_MAX_WORD_ORDER &&
	    pagehint_state_alloc_word(first, order, &state)) {
		if (state == PAGEHINT_STABLE)
			return (struct result){ 0 };
		return (struct result){ nr, state & PAGEHINT_ABSENT ? nr : 0 };
	}
	return alloc_range(first, nr);
}

static void alloc_one(u8 *byte, struct result *sum)
{
	u8 left = pagehint_state_alloc_slow(byte);

	if ((left & PAGEHINT_USAGE_MASK) != PAGEHINT_UNUSED)
		return;
	sum->frames++;
	sum->absent += !!(left & PAGEHINT_ABSENT);
}

static struct result scan_range(u8 *first, unsigned long nr)
{
	return (struct result){ pagehint_state_scan_range(first, nr), 0 };
}

static void scan_one(u8 *byte, struct result *sum)
{
	if (*byte != PAGEHINT_STABLE)
		return;
	*byte = PAGEHINT_UNUSED;
	sum->frames++;
}

/*
 * Contents: whole words of one state, so that the fast paths are taken; words
 * with one odd byte, so that they must not be; and noise.
 */
static void fill(struct table *table, uint64_t *random)
{
	static const u8 common[] = {
		PAGEHINT_STABLE, PAGEHINT_UNUSED,
		PAGEHINT_UNUSED | PAGEHINT_ABSENT,
	};
	size_t word, i;

	for (word = 0; word < sizeof(table->bytes); word += 8) {
		uint64_t r = test_random(random);
		u8 odd = test_random(random);

		memset(&table->bytes[word], common[r % ARRAY_SIZE(common)], 8);
		if ((r >> 8) % 4 == 0)
			continue;
		if ((r >> 8) % 4 == 1) {
			table->bytes[word + (r >> 16) % 8] = odd;
			continue;
		}
		if ((r >> 8) % 4 == 2) {
			table->bytes[word + (r >> 16) % 8] = common[(r >> 20) % ARRAY_SIZE(common)];
			continue;
		}
		for (i = 0; i < 8; i++)
			table->bytes[word + i] = test_random(random);
	}
}

static void compare(const struct pair *pair)
{
	unsigned int rounds = test.brief ? 100 : 1000, round;
	unsigned long nr, place, i, tried = 0;
	uint64_t random = test.seed;

	for (round = 0; round < rounds && !test_failed(); round++) {
		for (nr = 0; nr <= MAX_FRAMES; nr++) {
			for (place = 0; place < 8; place++) {
				u8 *first;
				struct table before, found, expected;
				struct result sum = { 0 }, got;

				if (pair->blocks && (__builtin_popcountl(nr) != 1 ||
						     (place & (nr - 1)) % 8))
					continue;
				fill(&before, &random);
				found = before;
				expected = before;
				first = &found.bytes[GUARD + place];
				got = pair->range(first, nr);
				for (i = 0; i < nr; i++)
					pair->one(&expected.bytes[GUARD + place + i], &sum);
				for (i = 0; i < sizeof(found.bytes); i++) {
					CHECK(found.bytes[i] == expected.bytes[i],
					      "%lu frames at %lu: byte %ld was %#04x: expected %#04x, found %#04x",
					      nr, place, (long)(i - GUARD - place),
					      before.bytes[i], expected.bytes[i], found.bytes[i]);
				}
				CHECK(got.frames == sum.frames && got.absent == sum.absent,
				      "%lu frames at %lu: expected %u changed, %u absent; returned %u, %u",
				      nr, place, sum.frames, sum.absent, got.frames, got.absent);
				tried++;
			}
		}
	}
	test_note("%lu ranges", tried);
}

static void frees(void)
{
	compare(&(struct pair){ false, free_range, free_one });
}

static void allocs(void)
{
	compare(&(struct pair){ false, alloc_range, alloc_one });
}

static void free_blocks(void)
{
	compare(&(struct pair){ true, free_block, free_one });
}

static void alloc_blocks(void)
{
	compare(&(struct pair){ true, alloc_block, alloc_one });
}

static void scans(void)
{
	compare(&(struct pair){ false, scan_range, scan_one });
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "free_range", frees },
		{ "alloc_range", allocs },
		{ "free_block", free_blocks },
		{ "alloc_block", alloc_blocks },
		{ "scan_range", scans },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}

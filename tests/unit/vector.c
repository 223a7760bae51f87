// SPDX-License-Identifier: GPL-2.0
/*
 * Vectors of the hypercall transport (module/vector.c), one CPU: which frames they
 * lock and name, what an answer makes of them, free blocks. Against models that
 * look at each frame by itself. Between a load and the swap that follows it another
 * CPU may have moved the frame: so vector.c is built in here, with such moves after
 * its loads. What several CPUs do at length is in vector_threads.c.
 */
#include <pagehint/platform.h>

static void meddle(u8 *byte);

#undef READ_ONCE
#define READ_ONCE(x)							\
({									\
	__typeof__(x) __now = __atomic_load_n(&(x), __ATOMIC_SEQ_CST);	\
									\
	meddle((u8 *)&(x));						\
	__now;								\
})

#include "../../module/vector.c"

#undef ARRAY_SIZE
#include "test.h"

#define FRAMES	1024u
#define U	PAGEHINT_UNUSED
#define V	PAGEHINT_VOLATILE
#define ABSENT	PAGEHINT_ABSENT
#define BUSY	PAGEHINT_BUSY
#define IN_CALL	PAGEHINT_IN_CALL

static u8 table[FRAMES], before[FRAMES];
static u8 moved[FRAMES];		/* what other CPUs left */
static bool freed[FRAMES];	/* to be freed by another CPU while they are locked */
static struct pagehint_hc_entry entries[PAGEHINT_VECTOR_MAX];

static const u8 states[] = {
	PAGEHINT_STABLE, PAGEHINT_PENDING, PAGEHINT_RECOVERING, U, U | ABSENT, U | BUSY,
	U | IN_CALL, V, V | 0x50, V | ABSENT, V | BUSY, V | BUSY | 0x30, V | IN_CALL,
	PAGEHINT_POTENTIAL,
};

/* Runs of some state, so that there is something to join. */
static void fill(uint64_t *random)
{
	unsigned int i = 0;

	while (i < FRAMES) {
		uint64_t pick = test_random(random);
		unsigned int run = 1 + (pick >> 8) % (pick & 0x80 ? 3 : 40);
		u8 state = states[(pick >> 20) % ARRAY_SIZE(states)];

		while (run-- && i < FRAMES)
			table[i++] = state;
	}
	memcpy(before, table, sizeof(table));
	memcpy(moved, table, sizeof(table));
	memset(freed, false, sizeof(freed));
}

enum kind { TELL, ASK, REPAY };

static bool wanted(enum kind kind, u8 state)
{
	u8 low = state & PAGEHINT_STATE_MASK;

	if (kind == TELL)
		return low == V;
	return low == (U | BUSY) || (kind == ASK && low == (V | BUSY));
}

/* Another CPU, between a load and what follows it: it uses a volatile frame, or frees it. */
static uint64_t meddler;	/* 0: nobody */

static void meddle(u8 *byte)
{
	unsigned int frame = byte - table;

	if (byte < table || byte >= table + FRAMES)
		return;
	if (freed[frame])
		*byte = U | IN_CALL;
	if (!meddler || test_random(&meddler) % 8)
		return;
	if (wanted(TELL, *byte))
		*byte = PAGEHINT_STABLE;
	else if ((*byte & PAGEHINT_STATE_MASK) == (V | BUSY))
		*byte = U | BUSY;
	moved[frame] = *byte;
}

static struct pagehint_vector vector_of(unsigned int max)
{
	memset(entries, 0xee, sizeof(entries));
	return (struct pagehint_vector){ .entries = entries, .max = max, .table = table };
}

static u64 gather_kind(struct pagehint_vector *vector, enum kind kind, u64 gfn, u64 end)
{
	return kind == TELL ? pagehint_vector_tell(vector, gfn, end) :
	       kind == ASK ? pagehint_vector_ask(vector, gfn, end) :
			     pagehint_vector_repay(vector, gfn, end);
}

/* The entries from @from on are what a frame by frame look gives, and no more. */
static void check_gathered(const struct pagehint_vector *vector, unsigned int from,
			   enum kind kind, u64 gfn, u64 end, u64 stop)
{
	unsigned int at = from, i = 0;
	u64 frame;

	CHECK(vector->nr <= vector->max, "%u entries of %u", vector->nr, vector->max);
	for (frame = 0; frame < FRAMES; frame++) {
		bool is = frame >= gfn && frame < stop && wanted(kind, before[frame]) &&
			  moved[frame] == before[frame];
		u8 state = kind == TELL ? before[frame] : PAGEHINT_STABLE;

		if (!CHECK(table[frame] == (moved[frame] | (is ? IN_CALL : 0)),
			   "frame %u: %#x became %#x", (unsigned int)frame, before[frame],
			   table[frame]) || !is)
			continue;
		if (!CHECK(at < vector->nr, "frame %u is locked and not told", (unsigned int)frame))
			return;
		CHECK(entries[at].gfn + i == frame && entries[at].state == state &&
		      !entries[at].reserved && entries[at].result == PAGEHINT_HC_RESULT_NONE,
		      "frame %u: entry %u says %llu+%u state %#x", (unsigned int)frame, at,
		      (unsigned long long)entries[at].gfn, entries[at].nr_frames,
		      entries[at].state);
		if (++i == entries[at].nr_frames) {
			i = 0;
			at++;
		}
	}
	CHECK(at == vector->nr && !i, "entry %u of %u is too long", at, vector->nr);
	if (stop == end)
		return;
	CHECK(vector->nr == vector->max && wanted(kind, before[stop]),
	      "stopped at %u with %u entries of %u", (unsigned int)stop, vector->nr, vector->max);
}

/* What becomes of a locked frame, now and after it was freed meanwhile */
static u8 expected(enum kind kind, u8 old, bool is_freed, bool done, u8 result)
{
	bool is_volatile = (old & PAGEHINT_USAGE_MASK) == V && !is_freed;
	u8 now = is_freed ? U : old & (u8)~IN_CALL;

	if (kind == TELL)
		return now | (done ? BUSY : 0);
	if (!is_volatile)
		return now;
	return now | (done && result == PAGEHINT_HC_RESULT_KEPT ? 0 : ABSENT);
}

static void finish(struct pagehint_vector *vector, enum kind kind, uint64_t *random)
{
	unsigned int done = test_random(random) % (vector->nr + 1), i;
	unsigned long told = 0, got;
	struct pagehint_answers sum = { 0 }, answers;
	u8 want[FRAMES];
	u64 frame;

	memcpy(want, table, sizeof(table));
	for (i = 0; i < vector->nr; i++) {
		u64 end = entries[i].gfn + entries[i].nr_frames;

		/* A host may write anything. */
		entries[i].result = test_random(random) % 5;
		for (frame = entries[i].gfn; frame < end; frame++) {
			u8 now;

			freed[frame] = !(test_random(random) % 4);
			now = expected(kind, before[frame], freed[frame], i < done,
				       entries[i].result);
			want[frame] = now;
			told += (now & PAGEHINT_STATE_MASK) == (V | BUSY);
			if ((now & PAGEHINT_USAGE_MASK) != V)
				sum.freed++;
			else if (now & ABSENT)
				sum.gone++;
			else
				sum.kept++;
		}
	}
	if (kind == TELL) {
		got = pagehint_vector_told(vector, done);
		CHECK(got == told, "%lu told, expected %lu", got, told);
	} else {
		answers = pagehint_vector_answered(vector, done);
		CHECK(!memcmp(&answers, &sum, sizeof(sum)),
		      "kept %lu gone %lu freed %lu, expected %lu %lu %lu", answers.kept,
		      answers.gone, answers.freed, sum.kept, sum.gone, sum.freed);
	}
	for (frame = 0; frame < FRAMES; frame++)
		CHECK(table[frame] == want[frame], "kind %d frame %u: %#x -> %#x, expected %#x",
		      kind, (unsigned int)frame, before[frame], table[frame], want[frame]);
}

static void vectors(void)
{
	uint64_t rounds = test.rounds ? test.rounds : test.brief ? 3000 : 60000;
	uint64_t random = test.seed, round, nr = 0;

	for (round = 0; round < rounds && !test_failed(); round++) {
		enum kind kind = test_random(&random) % 3;
		struct pagehint_vector vector = vector_of(1 + test_random(&random) %
							  (round % 2 ? 4 : PAGEHINT_VECTOR_MAX));
		u64 gfn = test_random(&random) % FRAMES;
		u64 end = gfn + test_random(&random) % (FRAMES - gfn) + 1, stop;

		fill(&random);
		meddler = round % 4 ? test_random(&random) | 1 : 0;
		stop = gather_kind(&vector, kind, gfn, end);
		meddler = 0;
		check_gathered(&vector, 0, kind, gfn, end, stop);
		nr += vector.nr;
		finish(&vector, kind, &random);
	}
	test_note("%lu entries", (unsigned long)nr);
}

/* Folios side by side have an answer each; what is only forgotten, or told, has not. */
static void neighbours(void)
{
	struct pagehint_vector vector = vector_of(8);

	memset(table, V | BUSY, sizeof(table));
	pagehint_vector_ask(&vector, 8, 12);
	pagehint_vector_ask(&vector, 12, 16);
	CHECK(vector.nr == 2 && entries[0].nr_frames == 4 && entries[1].gfn == 12,
	      "%u entries for two folios", vector.nr);
	vector = vector_of(8);
	memset(table, U | BUSY, sizeof(table));
	pagehint_vector_repay(&vector, 8, 12);
	pagehint_vector_repay(&vector, 12, 16);
	CHECK(vector.nr == 1 && entries[0].nr_frames == 8, "%u entries for one range", vector.nr);
	vector = vector_of(8);
	memset(table, V | 0x10, sizeof(table));
	table[12] = V | 0x20;
	pagehint_vector_tell(&vector, 8, 16);
	CHECK(vector.nr == 3 && entries[1].state == (V | 0x20), "%u entries for two temperatures",
	      vector.nr);
	/* A run goes on in the next entry where one may not be longer. */
	vector = vector_of(8);
	memset(table, U | BUSY, sizeof(table));
	pagehint_vector_repay(&vector, 0, 2);
	entries[0].gfn -= PAGEHINT_HC_MAX_FRAMES - 2;
	entries[0].nr_frames = PAGEHINT_HC_MAX_FRAMES;
	pagehint_vector_repay(&vector, 2, 4);
	CHECK(vector.nr == 2 && entries[1].gfn == 2, "an entry of more than the most frames");
}

/* ------------------------------------------------------------------------
 * Free blocks
 */

static bool hinted(u8 state)
{
	return (state & PAGEHINT_STATE_MASK) == (U | ABSENT);
}

static bool said(const struct pagehint_vector *vector, u64 frame)
{
	unsigned int i;

	for (i = 0; i < vector->nr; i++) {
		if (frame >= entries[i].gfn && frame < entries[i].gfn + entries[i].nr_frames)
			return true;
	}
	return false;
}

static void check_block(const struct pagehint_vector *vector, u64 gfn, u64 nr, u64 unit,
			bool had_room)
{
	u64 frame, i, excess = 0;

	for (frame = gfn; frame < gfn + nr; frame += unit) {
		bool fresh = false;

		for (i = 0; i < unit; i++)
			fresh = fresh || !hinted(table[frame + i]);
		for (i = 0; i < unit; i++) {
			bool is = said(vector, frame + i);

			CHECK(is || !fresh, "frame %u is fresh and not told",
			      (unsigned int)(frame + i));
			excess += is && !fresh;
		}
	}
	CHECK(!excess || !had_room, "%u frames were told again though there was room",
	      (unsigned int)excess);
}

static void blocks(void)
{
	uint64_t rounds = test.rounds ? test.rounds : test.brief ? 4000 : 100000;
	uint64_t random = test.seed, round, taken = 0, refused = 0;
	struct pagehint_hc_entry copy[PAGEHINT_VECTOR_MAX];

	for (round = 0; round < rounds && !test_failed(); round++) {
		struct pagehint_vector vector = vector_of(1 + test_random(&random) %
							  (round % 2 ? 6 : PAGEHINT_VECTOR_MAX));
		bool ours[FRAMES] = { false };
		u64 at = 0;

		fill(&random);
		while (at < FRAMES) {
			unsigned int order = test_random(&random) % 9;
			u64 nr = 1ull << order, unit = 1ull << test_random(&random) % (order + 1);
			unsigned int nr_before = vector.nr;
			unsigned long fresh, want = 0;
			u64 frame;

			at = (at + nr - 1) & ~(nr - 1);
			if (at >= FRAMES)
				break;
			for (frame = at; frame < at + nr; frame++)
				want += !hinted(table[frame]);
			memcpy(copy, entries, sizeof(copy));
			if (pagehint_vector_block(&vector, at, nr, unit, &fresh)) {
				CHECK(fresh == want, "%lu fresh, expected %lu", fresh, want);
				check_block(&vector, at, nr, unit, vector.nr < vector.max);
				memset(ours + at, true, nr);
				taken++;
			} else {
				CHECK(!want || nr_before == vector.max,
				      "refused a block with %lu fresh frames", want);
				CHECK(vector.nr == nr_before &&
				      !memcmp(copy, entries, nr_before * sizeof(copy[0])),
				      "a refused block changed the vector");
				refused += !!want;
			}
			at += nr + (test_random(&random) % 3 ? 0 : 16);
		}
		for (at = 0; at < FRAMES; at++)
			CHECK(ours[at] || !said(&vector, at), "frame %u is in no block and told",
			      (unsigned int)at);
		CHECK(!memcmp(table, before, sizeof(table)), "a block changed states");
	}
	test_note("%lu blocks, %lu without room", (unsigned long)taken, (unsigned long)refused);
}

/* Only what is told: gaps between blocks stay untold. */
static void gaps(void)
{
	struct pagehint_vector vector = vector_of(1);
	unsigned long fresh;

	memset(table, U, sizeof(table));
	CHECK(pagehint_vector_block(&vector, 0, 8, 8, &fresh) && fresh == 8, "no block");
	CHECK(!pagehint_vector_block(&vector, 16, 8, 8, &fresh), "a block without room");
	CHECK(entries[0].nr_frames == 8, "frames between two blocks were told");
	CHECK(pagehint_vector_block(&vector, 8, 8, 1, &fresh) && entries[0].nr_frames == 16,
	      "a block that continues another is not joined");
	/* Full inside of a block: the rest of it goes with its last entry. */
	vector = vector_of(1);
	memset(table, U | ABSENT, sizeof(table));
	table[1] = U;
	table[6] = U;
	CHECK(pagehint_vector_block(&vector, 0, 8, 1, &fresh) && fresh == 2 &&
	      entries[0].gfn == 1 && entries[0].nr_frames == 6, "told %llu+%u, expected 1+6",
	      (unsigned long long)entries[0].gfn, entries[0].nr_frames);
}

static void marks(void)
{
	unsigned int i;

	for (i = 0; i < 256; i++)
		table[i] = i;
	pagehint_vector_hinted(table, 256);
	for (i = 0; i < 256; i++)
		CHECK(table[i] == (i == U ? U | ABSENT : i), "%#x became %#x", i, table[i]);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "vectors", vectors },
		{ "neighbours", neighbours },
		{ "blocks", blocks },
		{ "gaps", gaps },
		{ "marks", marks },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}

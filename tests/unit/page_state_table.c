// SPDX-License-Identifier: GPL-2.0
/*
 * Every value of the state byte x every move of the guest and of the host,
 * against a table written by hand from the contract (include/uapi/pagehint.h).
 * The table is the specification once more in another form: it must never be
 * computed by, or copied from the output of, the code under test.
 */
#include <pagehint/page_state.h>

#include "host_model.h"
#include "test.h"

/* The low half of the byte, by short names; the values are the contract's. */
enum {
	S   = 0x0,
	U   = 0x1,
	P   = 0x2,
	V   = 0x3,
	R   = 0x4,	/* RECOVERING: STABLE and bit 2 */
	UA  = 0x5,
	PA  = 0x6,
	VA  = 0x7,
	N   = 0x8,	/* PENDING: STABLE and bit 3 */
	UB  = 0x9,
	PB  = 0xa,
	VB  = 0xb,
	/* Nobody writes these: to claim is legal only without ABSENT. */
	S2  = 0xc,
	UAB = 0xd,
	PAB = 0xe,
	VAB = 0xf,
	same = S2 | 0xf0, /* the byte as it was, with its temperature; itself illegal */
};

enum {
	no,
	yes,
	stable_ = PAGEHINT_WAS_STABLE,
	kept = PAGEHINT_KEPT,
	lost = PAGEHINT_DISCARDED,
	spins = 99,	/* until another CPU calls recovered(): recovering() below */
};

/* How the host ends a claim that a guest's move waits for. */
enum ending { DROPPED, UNCLAIMED, RECOVERED, NR_ENDINGS };

/*
 * Guest's moves: the whole byte afterwards (or `same`) and what is returned.
 * alloc and make stable: for each ending; where nothing waits all three agree.
 * Host's moves: the low half afterwards; the temperature is kept.
 */
struct row {
	u8 before;
	struct { u8 after; bool was_stable; } free;
	struct { u8 after, left[NR_ENDINGS]; } alloc;
	struct { u8 after[NR_ENDINGS], result[NR_ENDINGS]; } stable;
	bool waits_alloc, waits_stable;
	bool becomes_volatile;	/* by make volatile */
	bool takes_temperature;
	bool scanned;		/* by scan: becomes U */
	bool may_claim, owned;
	u8 claim, unclaim, dropped, recover;
};

/* What stays the same whatever the host does. */
#define LEFT(state)	{ [0 ... NR_ENDINGS - 1] = (state) }
#define AS_IT_WAS	{ LEFT(same), LEFT(stable_) }
#define WHOLE		{ LEFT(S), LEFT(kept) }
#define GONE		{ LEFT(R), LEFT(lost) }
/* What depends on it: dropped, unclaimed, recovered after a crash. */
#define AS_IT_ENDS	{ { R, S, R }, { lost, kept, lost } }

static const struct row rows[] = {
/*                                                  waits to  becomes takes
 *      free:     alloc:                make        be alloc- vola-   a tem-   scan-
 *      after     after, returned       stable      ated, st. tile    perature ned
 *        then the host: may claim, owns; claim, unclaim, dropped, recover
 */
{ S,   { U, yes }, { same, LEFT(S) },    AS_IT_WAS,  no, no,   yes,    no,      yes,
	no, no, S, S, S, S },
{ U,   { U, no },  { S, LEFT(U) },       AS_IT_WAS,  no, no,   no,     yes,     no,
	yes, no, UB, U, U, U },
{ P,   { U, no },  { same, LEFT(P) },    WHOLE,      no, no,   no,     yes,     no,
	no, no, P, P, P, P },
{ V,   { U, no },  { same, LEFT(V) },    WHOLE,      no, no,   no,     yes,     no,
	yes, no, VB, V, V, V },
{ R,   { U, yes }, { same, LEFT(R) },    { { 0 }, LEFT(spins) }, no, no, no, no, no,
	no, no, R, R, R, R },
{ UA,  { U, no },  { S, LEFT(UA) },      AS_IT_WAS,  no, no,   no,     yes,     no,
	no, no, UA, UA, UA, UA },
{ PA,  { U, no },  { same, LEFT(PA) },   GONE,       no, no,   no,     yes,     no,
	no, no, PA, PA, PA, PA },
{ VA,  { U, no },  { same, LEFT(VA) },   GONE,       no, no,   no,     yes,     no,
	no, no, VA, VA, VA, VA },
{ N,   { U, yes }, { same, LEFT(N) },    AS_IT_WAS,  no, no,   no,     no,      no,
	no, no, N, N, N, N },
{ UB,  { UB, no }, { S, { UA, U, U } },  AS_IT_WAS,  yes, no,  no,     yes,     no,
	no, yes, UB, U, UA, U },
{ PB,  { UB, no }, { same, LEFT(PB) },   AS_IT_ENDS, no, yes,  no,     yes,     no,
	no, yes, PB, P, PA, PA },
{ VB,  { UB, no }, { same, LEFT(VB) },   AS_IT_ENDS, no, yes,  no,     yes,     no,
	no, yes, VB, V, VA, VA },
{ S2,  { U, yes }, { same, LEFT(S2) },   AS_IT_WAS,  no, no,   no,     no,      no,
	no, no, S2, S2, S2, S2 },
/* A CPU is in a call about it (vector.h): so it stays, whoever frees the frame. */
{ UAB, { UAB, no }, { S, LEFT(UA) },      AS_IT_WAS,  yes, no,  no,     yes,     no,
	no, yes, UAB, UA, UA, UA },
{ PAB, { UAB, no }, { same, LEFT(PAB) },  GONE,       no, yes,  no,     yes,     no,
	no, yes, PAB, PA, PA, PA },
{ VAB, { UAB, no }, { same, LEFT(VAB) },  GONE,       no, yes,  no,     yes,     no,
	no, yes, VAB, VA, VA, VA },
};

static const u8 temperatures[] = { 0, 1, 7, 8, 15 };

/* What the host does when the guest's move waits, and how often it waited. */
static enum ending ending;
static unsigned int waits;

u8 pagehint_wait_not_busy(u8 *byte)
{
	waits++;
	switch (ending) {
	case DROPPED:
		host_dropped(byte);
		break;
	case UNCLAIMED:
		host_unclaim(byte);
		break;
	default:
		host_recover(byte);
		break;
	}
	/* A move that waits for a byte that is not BUSY would hang here. */
	if (*byte & PAGEHINT_BUSY)
		*byte = PAGEHINT_STABLE;
	return *byte;
}

/*
 * A byte in the middle of a word with a neighbour on each side. Only the
 * hinted states carry a temperature: a STABLE byte with one is illegal, and
 * @each skips it.
 */
static u8 table[24] __attribute__((aligned(8)));
static u8 *const byte = &table[11];

static void set_up(u8 state)
{
	memset(table, 0x73, sizeof(table));
	*byte = state;
	waits = 0;
}

static void expect(const char *move, u8 before, u8 after, bool must_wait)
{
	size_t i;

	if (after == same)
		after = before;
	CHECK(*byte == after, "%s of %#04x: expected %#04x afterwards, found %#04x",
	      move, before, after, *byte);
	CHECK(waits == must_wait, "%s of %#04x: expected %u waits, found %u",
	      move, before, must_wait, waits);
	for (i = 0; i < sizeof(table); i++) {
		if (&table[i] != byte)
			CHECK(table[i] == 0x73,
			      "%s of %#04x: changed the byte %zd places away",
			      move, before, &table[i] - byte);
	}
}

static void each(void (*test_one)(const struct row *row, u8 before, u8 temp))
{
	unsigned int tried = 0;
	size_t r, t;

	for (r = 0; r < ARRAY_SIZE(rows); r++) {
		CHECK(rows[r].before == r, "row %zu of the table is for %#x",
		      r, rows[r].before);
		for (t = 0; t < ARRAY_SIZE(temperatures); t++) {
			u8 temp = temperatures[t] << 4;

			if (!(r & PAGEHINT_USAGE_MASK) && temp)
				continue;
			test_one(&rows[r], r | temp, temp);
			tried++;
		}
	}
	test_note("%u state bytes", tried);
}

static void one_free(const struct row *row, u8 before, u8 temp)
{
	unsigned int range;

	(void)temp;
	for (range = 0; range < 2; range++) {
		bool ret;

		set_up(before);
		ret = range ? pagehint_state_free_range(byte, 1) :
			      pagehint_state_free(byte);
		expect("free", before, row->free.after, false);
		CHECK(ret == row->free.was_stable, "free of %#04x: returned %d",
		      before, ret);
	}
}

static void one_alloc(const struct row *row, u8 before, u8 temp)
{
	bool changes = row->alloc.after == S;

	for (ending = 0; ending < NR_ENDINGS; ending++) {
		u8 left = row->alloc.left[ending];
		struct pagehint_changed changed;
		u8 ret;

		set_up(before);
		ret = pagehint_state_alloc(byte);
		expect("alloc", before, row->alloc.after, row->waits_alloc);
		CHECK(ret == (left | temp), "alloc of %#04x: returned %#04x, not %#04x",
		      before, ret, left | temp);

		set_up(before);
		changed = pagehint_state_alloc_range(byte, 1);
		expect("alloc range", before, row->alloc.after, row->waits_alloc);
		CHECK(changed.frames == changes && changed.absent == (changes && left == UA),
		      "alloc range of %#04x: returned %u frames, %u absent",
		      before, changed.frames, changed.absent);
	}
}

static void one_volatile(const struct row *row, u8 before, u8 temp)
{
	size_t t;

	(void)temp;
	for (t = 0; t < ARRAY_SIZE(temperatures); t++) {
		bool ret;

		set_up(before);
		ret = pagehint_state_make_volatile(byte, temperatures[t]);
		expect("make volatile", before, row->becomes_volatile ?
		       V | temperatures[t] << 4 : same, false);
		CHECK(ret == row->becomes_volatile,
		      "make volatile of %#04x: returned %d", before, ret);
	}
}

static void one_stable(const struct row *row, u8 before, u8 temp)
{
	(void)temp;
	for (ending = 0; ending < NR_ENDINGS; ending++) {
		u8 result = row->stable.result[ending];
		enum pagehint_kept ret;

		if (result == spins)
			continue;
		set_up(before);
		ret = pagehint_state_make_stable(byte);
		expect("make stable", before, row->stable.after[ending],
		       row->waits_stable);
		CHECK(ret == result, "make stable of %#04x, ending %d: returned %d, not %d",
		      before, ending, ret, result);
		if (ret == PAGEHINT_DISCARDED) {
			pagehint_state_recovered(byte);
			CHECK(*byte == S, "recovered: expected 0, found %#04x", *byte);
		}
	}
}

static void one_kept(const struct row *row, u8 before, u8 temp)
{
	bool plain = (before & PAGEHINT_STATE_MASK) == V, ret;

	(void)row;
	(void)temp;
	set_up(before);
	ret = pagehint_state_keep(byte);
	expect("keep", before, plain ? S : same, false);
	CHECK(ret == plain, "keep of %#04x: returned %d", before, ret);
}

static void one_temperature(const struct row *row, u8 before, u8 temp)
{
	size_t t;

	(void)temp;
	for (t = 0; t < ARRAY_SIZE(temperatures); t++) {
		bool ret;

		set_up(before);
		ret = pagehint_state_set_temperature(byte, temperatures[t]);
		expect("set temperature", before, row->takes_temperature ?
		       row->before | temperatures[t] << 4 : same, false);
		CHECK(ret == row->takes_temperature,
		      "set temperature of %#04x: returned %d", before, ret);
	}
}

static void one_scan(const struct row *row, u8 before, u8 temp)
{
	unsigned int ret;

	(void)temp;
	set_up(before);
	ret = pagehint_state_scan_range(byte, 1);
	expect("scan", before, row->scanned ? U : same, false);
	CHECK(ret == row->scanned, "scan of %#04x: returned %u", before, ret);
}

static void one_host(const struct row *row, u8 before, u8 temp)
{
	const struct {
		const char *name;
		struct host_move (*make)(u8 *byte);
		bool legal;
		u8 after;
	} moves[] = {
		{ "host's claim", host_claim, row->may_claim, row->claim },
		{ "host's unclaim", host_unclaim, row->owned, row->unclaim },
		{ "host's dropped", host_dropped, row->owned, row->dropped },
		{ "host's recover", host_recover, row->owned, row->recover },
	};
	size_t i;

	CHECK(!!pagehint_host_may_claim(before) == row->may_claim,
	      "may_claim(%#04x): expected %d", before, row->may_claim);
	CHECK(!!pagehint_host_owns(before) == row->owned,
	      "owns(%#04x): expected %d", before, row->owned);
	for (i = 0; i < ARRAY_SIZE(moves); i++) {
		struct host_move move;

		set_up(before);
		move = moves[i].make(byte);
		expect(moves[i].name, before, moves[i].after | temp, false);
		CHECK(move.changed == moves[i].legal, "%s of %#04x: made: %d",
		      moves[i].name, before, move.changed);
	}
}

static void frees(void) { each(one_free); }
static void allocs(void) { each(one_alloc); }
static void volatiles(void) { each(one_volatile); }
static void stables(void) { each(one_stable); }
static void keeps(void) { each(one_kept); }
static void temperature(void) { each(one_temperature); }
static void scans(void) { each(one_scan); }
static void host(void) { each(one_host); }

/*
 * The host never touches usage STABLE, whatever the other bits say; and what
 * it may touch keeps its usage and its temperature. Over all 256 values.
 */
static void host_bounds(void)
{
	unsigned int value;

	for (value = 0; value < 256; value++) {
		struct host_move (*moves[])(u8 *byte) = {
			host_claim, host_unclaim, host_dropped, host_recover,
		};
		size_t i;

		for (i = 0; i < ARRAY_SIZE(moves); i++) {
			u8 changed;

			set_up(value);
			moves[i](byte);
			changed = *byte ^ value;
			CHECK(!(changed & 0xf3), "host's move %zu changes %#04x to %#04x",
			      i, value, *byte);
			CHECK((value & 3) != S || !changed,
			      "host's move %zu writes to the stable %#04x", i, value);
		}
	}
	test_note("256 values x 4 moves");
}

static void *make_stable_thread(void *result)
{
	*(int *)result = pagehint_state_make_stable(byte);
	return NULL;
}

/* A second caller must not return before the first one has recovered. */
static void recovering(void)
{
	int first, second = spins;
	pthread_t thread;

	set_up(VA);
	first = pagehint_state_make_stable(byte);
	CHECK(first == PAGEHINT_DISCARDED && *byte == R,
	      "make stable of V|ABSENT: returned %d, left %#04x", first, *byte);
	pthread_create(&thread, NULL, make_stable_thread, &second);
	usleep(50 * 1000);
	CHECK(__atomic_load_n(&second, __ATOMIC_RELAXED) == spins,
	      "make stable of RECOVERING returned %d before recovered()", second);
	pagehint_state_recovered(byte);
	pthread_join(thread, NULL);
	CHECK(second == PAGEHINT_WAS_STABLE,
	      "make stable of RECOVERING: returned %d, not WAS_STABLE", second);
	CHECK(*byte == S, "recovered: expected 0, found %#04x", *byte);
}

/* The first one leaves it to somebody else: the second gets the loss, and nobody content. */
static void left(void)
{
	int first, second = spins;
	pthread_t thread;

	set_up(VA);
	first = pagehint_state_make_stable(byte);
	CHECK(first == PAGEHINT_DISCARDED, "make stable of V|ABSENT: returned %d", first);
	pthread_create(&thread, NULL, make_stable_thread, &second);
	usleep(50 * 1000);
	CHECK(__atomic_load_n(&second, __ATOMIC_RELAXED) == spins,
	      "make stable of RECOVERING returned %d before lost()", second);
	pagehint_state_lost(byte);
	pthread_join(thread, NULL);
	CHECK(second == PAGEHINT_DISCARDED && *byte == R,
	      "make stable of what is lost: returned %d, left %#04x", second, *byte);
	pagehint_state_lost(byte);
	CHECK(*byte == VA, "lost: expected V|ABSENT, found %#04x", *byte);
	CHECK(!pagehint_state_keep(byte) && *byte == VA, "keep of what is lost: %#04x", *byte);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "free", frees },
		{ "alloc", allocs },
		{ "make_volatile", volatiles },
		{ "make_stable", stables },
		{ "keep", keeps },
		{ "set_temperature", temperature },
		{ "scan", scans },
		{ "host", host },
		{ "host_bounds", host_bounds },
		{ "recovering", recovering },
		{ "left", left },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}

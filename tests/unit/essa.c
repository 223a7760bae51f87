// SPDX-License-Identifier: GPL-2.0
/*
 * What results of ESSA mean (include/pagehint/essa.h): every result that there is, and
 * all ways that a frame can go between a guest that tells and takes back and a
 * hypervisor that takes, under both readings of operation 6. What must hold: a frame
 * that was taken back is stable or still discarded, and "kept" is only said of content
 * that is there.
 */
#include <pagehint/essa.h>

#undef ARRAY_SIZE
#include "test.h"

#define S	PAGEHINT_ESSA_STABLE
#define U	PAGEHINT_ESSA_UNUSED
#define P	PAGEHINT_ESSA_POTENTIAL
#define V	PAGEHINT_ESSA_VOLATILE
#define r	PAGEHINT_ESSA_RESIDENT
#define p	PAGEHINT_ESSA_PRESERVED
#define z	PAGEHINT_ESSA_ZERO

static const unsigned int usages[] = { S, U, P, V };
static const unsigned int contents[] = { r, p, z };

/* ------------------------------------------------------------------------
 * Results by themselves
 */

static void all_results(void)
{
	unsigned int result, nr_kept = 0, nr_undecided = 0;

	for (result = 0; result <= 0x1ff; result++) {
		/* NODAT says nothing here; so two of each. */
		unsigned int seen = result & ~PAGEHINT_ESSA_NODAT;
		enum pagehint_essa_verdict want_if = PAGEHINT_ESSA_GONE;
		enum pagehint_essa_verdict want_stable = PAGEHINT_ESSA_GONE;

		if (result & 0xc0)	/* no such bits come out of the instruction's wrapper */
			continue;
		if (seen == (V | r) || seen == (P | r)) {
			want_if = PAGEHINT_ESSA_KEPT;
			want_stable = PAGEHINT_ESSA_KEPT;
		}
		if (seen == (V | p) || seen == (P | p)) {
			want_if = PAGEHINT_ESSA_UNDECIDED;
			want_stable = PAGEHINT_ESSA_KEPT;
		}
		CHECK(pagehint_essa_judge_if(result) == want_if, "operation 6, %#x: %d", result,
		      pagehint_essa_judge_if(result));
		CHECK(pagehint_essa_judge_stable(result) == want_stable, "operation 1, %#x: %d",
		      result, pagehint_essa_judge_stable(result));
		nr_kept += want_if == PAGEHINT_ESSA_KEPT;
		nr_undecided += want_if == PAGEHINT_ESSA_UNDECIDED;
	}
	CHECK(nr_kept == 4 && nr_undecided == 4, "%u kept, %u undecided", nr_kept, nr_undecided);
	test_note("512 results");
}

/* ------------------------------------------------------------------------
 * A hypervisor
 */

static struct {
	bool kvm;
	bool fails;		/* exceptions, or KVM's "no such frame" */
	unsigned int usage, content;
	bool intact;		/* what the guest wrote is still to be had */
	unsigned int nr_operations;
	bool (*meddle)(void);	/* between two operations */
} host;

static unsigned int state(void)
{
	return host.usage | host.content;
}

/* What the host may do at any moment. */
static void take(bool dirty)
{
	switch (host.usage) {
	case S:
		if (host.content == r)
			host.content = p;
		break;
	case U:
		host.content = z;
		host.intact = false;
		break;
	case V:
		/* KVM swaps out what is volatile and resident, and drops nothing of it. */
		if (host.kvm && host.content == r) {
			host.content = p;
		} else if (!host.kvm) {
			host.content = z;
			host.intact = false;
		}
		break;
	case P:
		if (host.kvm || dirty) {
			host.usage = host.kvm ? P : S;
			host.content = p;
		} else {
			host.usage = V;
			host.content = z;
			host.intact = false;
		}
		break;
	}
}

static void discard(unsigned int usage)
{
	host.usage = usage;
	if (host.content == r)
		return;
	host.content = z;
	host.intact = false;
}

static unsigned int operate(enum pagehint_essa_operation operation)
{
	unsigned int before = state();

	host.nr_operations++;
	if (host.fails)
		return host.kvm ? before | PAGEHINT_ESSA_FAILED : PAGEHINT_ESSA_FAULT;
	switch (operation) {
	case PAGEHINT_ESSA_SET_STABLE:
		host.usage = S;
		break;
	case PAGEHINT_ESSA_SET_UNUSED:
		discard(U);
		break;
	case PAGEHINT_ESSA_SET_VOLATILE:
		discard(V);
		break;
	case PAGEHINT_ESSA_SET_POTENTIAL:
		if (host.content == z)
			host.usage = V;
		else
			host.usage = P;
		if (host.content == p && !host.kvm)
			host.content = r;
		break;
	case PAGEHINT_ESSA_SET_STABLE_RESIDENT:
		host.usage = S;
		host.content = r;
		break;
	case PAGEHINT_ESSA_SET_STABLE_IF:
		if (host.kvm ? host.content == r : !(host.usage == V && host.content == z))
			host.usage = S;
		break;
	default:
		break;
	}
	return before;
}

static unsigned int set_stable(unsigned long pfn)
{
	if (host.meddle)
		host.meddle();
	(void)pfn;
	return operate(PAGEHINT_ESSA_SET_STABLE);
}

static unsigned int set_stable_if(unsigned long pfn)
{
	(void)pfn;
	return operate(PAGEHINT_ESSA_SET_STABLE_IF);
}

static bool meddle(void)
{
	take(false);
	return true;
}

/* A host of no kind that is known: what it had swapped out it drops, too. */
static bool drop(void)
{
	if (host.usage == S || host.content == r)
		return false;
	host.content = z;
	host.intact = false;
	return true;
}

static bool take_back(void)
{
	return pagehint_essa_take_back(0, set_stable_if, set_stable);
}

/* ------------------------------------------------------------------------
 * Every cell
 */

/* z/VM has no Up, Vp, Pp or Pz, see facts of the states; KVM any but Pz. */
static bool exists(unsigned int usage, unsigned int content)
{
	if (host.kvm)
		return !(usage == P && content == z);
	return usage == S || content == r || (content == z && usage != P);
}

/* Stable; or discarded still, and said to be gone. */
static bool ended_well(bool kept)
{
	return host.usage == S || (!kept && pagehint_essa_is_discarded(state()));
}

static void cell(unsigned int usage, unsigned int content)
{
	bool discarded = usage == V && content == z;
	bool was_ours = usage == V || usage == P, kept, want;

	host.usage = usage;
	host.content = content;
	host.intact = content != z;
	host.nr_operations = 0;
	kept = take_back();
	/* What is there is not thrown away, whether it was swapped out or not. */
	want = host.intact && was_ours && !host.fails;
	CHECK(kept == want, "kvm %d fails %d: %#x is said to be %s", host.kvm, host.fails,
	      usage | content, kept ? "kept" : "gone");
	CHECK(host.fails || ended_well(kept), "kvm %d: %#x ended as %#x", host.kvm,
	      usage | content, state());
	CHECK(host.nr_operations ==
	      ((kept && content == r) || (discarded && !host.fails) ? 1 : 2),
	      "kvm %d: %#x took %u operations", host.kvm, usage | content, host.nr_operations);
}

static void cells(void)
{
	static bool (*const meddlers[])(void) = { NULL, meddle, drop };
	unsigned int way, u, c, nr = 0;

	for (way = 0; way < 4 * ARRAY_SIZE(meddlers); way++) {
		memset(&host, 0, sizeof(host));
		host.kvm = way & 1;
		host.fails = way & 2;
		host.meddle = meddlers[way / 4];
		for (u = 0; u < ARRAY_SIZE(usages); u++) {
			for (c = 0; c < ARRAY_SIZE(contents); c++) {
				if (!exists(usages[u], contents[c]))
					continue;
				cell(usages[u], contents[c]);
				nr++;
			}
		}
	}
	test_note("%u cells", nr);
}

/* The life of a frame: told, taken by the host or not, taken back, freed, told again. */
static void lives(void)
{
	uint64_t rounds = test.rounds ? test.rounds : test.brief ? 100000 : 2000000;
	uint64_t random = test.seed, round, nr_kept = 0, nr_gone = 0;

	memset(&host, 0, sizeof(host));
	host.intact = true;
	for (round = 0; round < rounds && !test_failed(); round++) {
		uint64_t pick = test_random(&random);
		bool kept;

		if (!(pick % 1000))
			host.kvm = !host.kvm;
		host.meddle = pick & 0x10000 ? meddle : NULL;
		operate(pick & 0x20000 ? PAGEHINT_ESSA_SET_VOLATILE : PAGEHINT_ESSA_SET_POTENTIAL);
		if (pick & 0x40000)
			take(pick & 0x80000);
		/* A frame that was dirtied and taken while P is the guest's and stable. */
		if (host.usage == S) {
			host.content = r;
			continue;
		}
		kept = take_back();
		CHECK(kept == host.intact, "kvm %d: %s, and it is %s", host.kvm,
		      kept ? "kept" : "gone", host.intact ? "there" : "not there");
		CHECK(ended_well(kept), "it ended as %#x", state());
		/* The loss is dealt with. */
		operate(PAGEHINT_ESSA_SET_STABLE);
		nr_kept += kept;
		nr_gone += !kept;
		/* Read again: resident, or swapped out again at once. */
		host.content = r;
		host.intact = true;
		if (pick & 0x100000)
			take(true);
	}
	CHECK(nr_kept > rounds / 20 && nr_gone > rounds / 20, "%lu kept, %lu gone",
	      (unsigned long)nr_kept, (unsigned long)nr_gone);
	test_note("%lu kept, %lu gone", (unsigned long)nr_kept, (unsigned long)nr_gone);
}

int main(int argc, char **argv)
{
	static const struct test_case list[] = {
		{ "all_results", all_results },
		{ "cells", cells },
		{ "lives", lives },
	};

	return test_main(argc, argv, list, ARRAY_SIZE(list));
}

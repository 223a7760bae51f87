// SPDX-License-Identifier: GPL-2.0
/*
 * The host module's walk over vectors of entries (host/kvm/entries.c): checks
 * against ones written in another way, and a fuzzer, of which a model says after
 * every call what is in force: the entries done, one after the other, no other.
 */
#include <entries.h>

#undef ARRAY_SIZE
#include "test.h"

#define FRAMES		(4 * PAGEHINT_HC_MAX_FRAMES)	/* of the guest's memory */
#define UNTOUCHED	0xee
#define PIECE		32

/* What the operations did, and what they were told to do wrong */
static struct {
	uint64_t base;			/* gfn of the first frame */
	uint8_t did[FRAMES];
	uint64_t hole, bad_unused, bad_volatile;	/* frames */
	bool failed;			/* an operation returned an error */
	uint64_t calls_left;		/* of must_stop() until it says yes */
	uint64_t nr_asked;		/* calls of it */
	bool stopped;
	uint64_t run_end;		/* of the last operation, if it was unused() */
	uint64_t nr_runs;
} vm;

static uint8_t expected[FRAMES];

static bool contains(uint64_t gfn, uint64_t nr, uint64_t frame)
{
	return frame >= gfn && frame - gfn < nr;
}

static bool is_covered(uint64_t gfn, uint64_t nr)
{
	return gfn >= vm.base && gfn + nr <= vm.base + FRAMES && !contains(gfn, nr, vm.hole);
}

static void check_range(uint64_t gfn, uint64_t nr)
{
	CHECK(nr, "an empty range");
	CHECK(gfn < PAGEHINT_GFN_END && nr <= PAGEHINT_GFN_END - gfn, "frames %#lx+%#lx", gfn, nr);
}

static int covers(void *context, u64 gfn, u64 nr_frames)
{
	CHECK(context == &vm, "not the caller's context");
	check_range(gfn, nr_frames);
	return is_covered(gfn, nr_frames) ? 0 : -EFAULT;
}

static int act(uint64_t gfn, uint64_t nr, uint8_t what, uint64_t bad, int error)
{
	check_range(gfn, nr);
	if (contains(gfn, nr, bad)) {
		vm.failed = true;
		return error;
	}
	/* What is forgotten may be anywhere. */
	if (what == PAGEHINT_STABLE && !is_covered(gfn, nr))
		return 0;
	if (CHECK(is_covered(gfn, nr), "%#x for frames %#lx+%#lx without memory", what, gfn, nr))
		memset(&vm.did[gfn - vm.base], what, nr);
	return 0;
}

static int unused(void *context, u64 gfn, u64 nr_frames)
{
	(void)context;
	CHECK(gfn != vm.run_end, "neighbours at %#lx are not one run", gfn);
	vm.run_end = gfn + nr_frames;
	vm.nr_runs++;
	return act(gfn, nr_frames, PAGEHINT_UNUSED, vm.bad_unused, -EINTR);
}

static int make_volatile(void *context, u64 gfn, u64 nr_frames, u8 temperature)
{
	(void)context;
	vm.run_end = UINT64_MAX;
	CHECK(temperature < 16, "a temperature of %u", temperature);
	return act(gfn, nr_frames, PAGEHINT_VOLATILE | temperature << 4, vm.bad_volatile, -ESTALE);
}

static int forget(void *context, u64 gfn, u64 nr_frames)
{
	(void)context;
	vm.run_end = UINT64_MAX;
	return act(gfn, nr_frames, PAGEHINT_STABLE, vm.bad_volatile, -ESTALE);
}

/* Which of the two it was can be told from the first frame's number. */
static uint8_t result_of(uint64_t gfn)
{
	return gfn % 3 ? PAGEHINT_HC_RESULT_KEPT : PAGEHINT_HC_RESULT_DISCARDED;
}

static int make_stable(void *context, u64 gfn, u64 nr_frames)
{
	int err = forget(context, gfn, nr_frames);

	return err ? err : result_of(gfn);
}

static bool must_stop(void *context)
{
	(void)context;
	vm.nr_asked++;
	if (vm.calls_left)
		vm.calls_left--;
	vm.stopped = !vm.calls_left;
	return vm.stopped;
}

static const struct pagehint_walk_ops ops = {
	.covers = covers,
	.unused = unused,
	.make_volatile = make_volatile,
	.forget = forget,
	.make_stable = make_stable,
	.must_stop = must_stop,
};

/* Written anew, in numbers that cannot overflow */
static bool is_good(const struct pagehint_hc_entry *entry, bool stable_call)
{
	unsigned __int128 end = (unsigned __int128)entry->gfn + entry->nr_frames;
	static const uint16_t usages = 1 << 0 | 1 << 1 | 1 << 3;

	if (entry->reserved || end * 4096 > (unsigned __int128)1 << 52)
		return false;
	if (entry->nr_frames - 1ULL >= 65536)
		return false;
	if (stable_call)
		return !entry->state;
	return usages >> entry->state % 16 & 1;
}

static bool is_doable(const struct pagehint_hc_entry *entry, bool stable_call)
{
	if (!is_good(entry, stable_call))
		return false;
	return stable_call || entry->state % 4 == PAGEHINT_STABLE ||
	       is_covered(entry->gfn, entry->nr_frames);
}

/* One entry as the contract says */
static void expect(const struct pagehint_hc_entry *entry, bool stable_call)
{
	uint8_t what = entry->state;

	if (stable_call || what % 4 == PAGEHINT_STABLE)
		what = PAGEHINT_STABLE;
	else if (what % 4 == PAGEHINT_UNUSED)
		what = PAGEHINT_UNUSED;
	if (is_covered(entry->gfn, entry->nr_frames))
		memset(&expected[entry->gfn - vm.base], what, entry->nr_frames);
}

static uint64_t interesting(uint64_t *random)
{
	static const uint64_t edges[] = {
		0, 1, PAGEHINT_GFN_END - 1, PAGEHINT_GFN_END, PAGEHINT_GFN_END + 1,
		1ULL << 52, 1ULL << 63, UINT64_MAX, UINT64_MAX - 1, 0x100000000,
	};
	uint64_t pick = test_random(random);

	return pick % 4 ? edges[pick / 4 % ARRAY_SIZE(edges)] : test_random(random);
}

static void random_entry(struct pagehint_hc_entry *entry, const struct pagehint_hc_entry *before,
			 bool stable_call, uint64_t *random)
{
	static const uint8_t good[] = { PAGEHINT_UNUSED, PAGEHINT_UNUSED, PAGEHINT_UNUSED,
					PAGEHINT_VOLATILE, PAGEHINT_STABLE };
	static const uint32_t sizes[] = { 0, 65535, 65536, 65537, 1U << 31, UINT32_MAX };
	uint64_t pick = test_random(random);

	memset(entry, 0, sizeof(*entry));
	entry->nr_frames = 1 + pick % 40;
	if (pick >> 8 & 1 && before)
		entry->gfn = before->gfn + before->nr_frames;
	else
		entry->gfn = vm.base + (pick >> 9) % FRAMES;
	if (!stable_call)
		entry->state = good[(pick >> 32) % ARRAY_SIZE(good)] | (pick >> 40) % 16 << 4;
	entry->result = pick >> 48;
	/* Of some vectors few entries are good, of most all but few */
	switch (test_random(random) % 400) {
	case 0:
		entry->gfn = interesting(random);
		break;
	case 1:
		entry->nr_frames = sizes[pick >> 56 & 3] + (pick >> 60 & 1);
		break;
	case 2:
		entry->nr_frames = sizes[(pick >> 56) % ARRAY_SIZE(sizes)];
		break;
	case 3:
		entry->state = pick >> 56;
		break;
	case 4:
		entry->reserved = pick >> 40;
		break;
	case 5:
	case 6:
	case 7:
		entry->nr_frames = 10000 + pick % 50000;
		entry->gfn = vm.base + pick % 2 * entry->nr_frames;
		break;
	}
}

/* One call over entries [from, nr) in pieces; checks what may be said of it. */
static unsigned int one_call(struct pagehint_hc_entry *entries, unsigned int from,
			     unsigned int nr, bool stable_call, int *error)
{
	struct pagehint_walk walk = { .ops = &ops, .context = &vm };
	struct pagehint_hc_entry before[PAGEHINT_MAX_ENTRIES];
	unsigned int at, piece, done, i;
	uint64_t begun = 0;

	memcpy(before, entries, sizeof(before));
	vm.failed = false;
	vm.stopped = false;
	vm.nr_asked = 0;
	for (at = from; at < nr && !walk.ended; at += piece) {
		piece = nr - at < PIECE ? nr - at : PIECE;
		vm.run_end = UINT64_MAX;
		done = stable_call ? pagehint_walk_make_stable(&walk, &entries[at], piece) :
				     pagehint_walk_set_state(&walk, &entries[at], piece);
		CHECK(done == piece || walk.ended, "%u of %u done, and no end", done, piece);
	}
	done = walk.nr_done;
	*error = walk.error;
	if (!CHECK(done <= nr - from, "%u of %u entries done", done, nr - from))
		return 0;

	for (i = from; i < from + done; i++) {
		begun += entries[i].nr_frames;
		if (!CHECK(is_doable(&before[i], stable_call), "entry %u was done", i))
			return done;
		expect(&before[i], stable_call);
		if (!CHECK(!stable_call || entries[i].result == result_of(entries[i].gfn),
			   "a result of %u", entries[i].result))
			return done;
		entries[i].result = before[i].result;
	}
	CHECK(!memcmp(before, entries, sizeof(before)), "entries were written to");
	CHECK(vm.nr_asked + 1 >= done, "%u entries, asked %lu times whether to stop", done,
	      vm.nr_asked);
	CHECK(begun < 2 * PAGEHINT_HC_MAX_FRAMES, "%lu frames in one call", begun);
	CHECK(walk.nr_frames < 2 * PAGEHINT_HC_MAX_FRAMES, "%lu frames begun in one call",
	      walk.nr_frames);
	if (walk.error)
		CHECK(vm.failed || !is_doable(&entries[from + done], stable_call),
		      "error %d for an entry that can be done", walk.error);
	else if (done < nr - from)
		CHECK(done && (vm.stopped || begun >= PAGEHINT_HC_MAX_FRAMES),
		      "stopped after %u entries, %lu frames", done, begun);
	return done;
}

static void fuzz(bool stable_call)
{
	uint64_t rounds = test.rounds ? test.rounds : test.brief ? 1500 : 15000;
	uint64_t random = test.seed + stable_call, nr_done = 0, nr_errors = 0, nr_stops = 0, round;
	static struct pagehint_hc_entry entries[PAGEHINT_MAX_ENTRIES];
	static const uint64_t bases[] = { 0, 1ULL << 20, PAGEHINT_GFN_END - FRAMES };

	for (round = 0; round < rounds && !test_failed(); round++) {
		unsigned int nr = 1 + test_random(&random) % PAGEHINT_MAX_ENTRIES, i, done, from;
		uint64_t pick = test_random(&random);
		int error;

		vm.base = bases[pick % ARRAY_SIZE(bases)];
		vm.hole = vm.base + (pick >> 8) % FRAMES;
		vm.bad_unused = pick >> 40 & 1 ? vm.base + (pick >> 12) % FRAMES : UINT64_MAX;
		vm.bad_volatile = pick >> 41 & 1 ? vm.base + (pick >> 16) % FRAMES : UINT64_MAX;
		memset(vm.did, UNTOUCHED, sizeof(vm.did));
		memset(expected, UNTOUCHED, sizeof(expected));
		for (i = 0; i < nr; i++)
			random_entry(&entries[i], i ? &entries[i - 1] : NULL, stable_call, &random);

		/* The guest calls again with the rest, until it cannot. */
		for (from = 0; from < nr && !test_failed(); from += done) {
			vm.calls_left = pick >> 42 & 1 ? 1 + test_random(&random) % 100 : 0;
			vm.calls_left = vm.calls_left ? vm.calls_left : UINT64_MAX;
			done = one_call(entries, from, nr, stable_call, &error);
			if (!CHECK(!memcmp(vm.did, expected, FRAMES),
				   "what is in force is not what the first %u entries say",
				   from + done))
				break;
			nr_done += done;
			nr_stops += !error;
			if (error) {
				nr_errors++;
				/* Not done and no reason: it would never end. */
				if (!done)
					break;
			} else if (!CHECK(done, "nothing done and no error")) {
				break;
			}
		}
	}
	CHECK(nr_errors > rounds / 10 && nr_done > rounds, "the fuzzer does not reach much");
	test_note("%lu vectors: %lu entries done, %lu errors, %lu calls without", rounds, nr_done,
		  nr_errors, nr_stops);
}

static void fuzz_set_state(void)
{
	fuzz(false);
}

static void fuzz_make_stable(void)
{
	fuzz(true);
}

static void one_entry(void)
{
	static const uint32_t sizes[] = { 0, 1, 2, 65535, 65536, 65537, 1U << 31, UINT32_MAX };
	struct pagehint_hc_entry entry = { .gfn = 0 };
	uint64_t random = test.seed, tried = 0;
	unsigned int state, size, i;

	for (state = 0; state < 256; state++) {
		for (size = 0; size < ARRAY_SIZE(sizes); size++) {
			for (i = 0; i < 200; i++, tried++) {
				uint64_t gfn = interesting(&random);
				bool stable_call = i & 1;

				/* Right below and above the end too */
				entry.gfn = i & 2 ? gfn :
					    PAGEHINT_GFN_END - sizes[size] + i % 5 - 2;
				entry.nr_frames = sizes[size];
				entry.state = state;
				entry.reserved = i % 16 ? 0 : gfn;
				CHECK(!pagehint_check_entry(&entry, stable_call) ==
				      is_good(&entry, stable_call),
				      "gfn %#lx+%#x state %#x reserved %#x", (long)entry.gfn,
				      entry.nr_frames, state, entry.reserved);
			}
		}
	}
	test_note("%lu entries", tried);
}

static void vectors(void)
{
	uint64_t random = test.seed, good = 0, gpa, count, page;
	static const uint64_t pages[] = { 0, 4096, (1ULL << 52) - 4096, 1ULL << 52, 1ULL << 63,
					  -4096ULL };
	unsigned int i;

	for (page = 0; page < ARRAY_SIZE(pages); page++) {
		for (gpa = pages[page]; gpa - pages[page] < 4096; gpa++) {
			for (count = 0; count < 260; count++) {
				bool expect_good = page < 3 && gpa % 16 == 0 && count &&
						   gpa % 4096 + 16 * count <= 4096;

				good += expect_good;
				CHECK(!pagehint_check_vector(gpa, count) == expect_good,
				      "%lu entries at %#lx", count, gpa);
			}
			CHECK(!pagehint_check_query(gpa) ==
			      (page < 3 && gpa % 8 == 0 && gpa % 4096 <= 4096 - 32),
			      "a query at %#lx", gpa);
		}
	}
	/* Counts whose product with 16 is small again */
	for (i = 0; i < 100000; i++) {
		count = interesting(&random) | 1ULL << (9 + i % 55);
		CHECK(pagehint_check_vector(4096, count) == -EINVAL, "%#lx entries", count);
	}
	test_note("%lu good ones", good);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "vectors", vectors },
		{ "one_entry", one_entry },
		{ "fuzz_set_state", fuzz_set_state },
		{ "fuzz_make_stable", fuzz_make_stable },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Scanning, ageing and coalescing against a model that does it frame by frame,
 * and single drops, also with a guest that allocates and frees as fast as it
 * can and checks what it reads.
 */
#include <errno.h>

#include <drop.h>
#include <scan.h>

#undef ARRAY_SIZE
#include "pagehintd_guest.h"

#define SCAN_FRAMES	4096
#define MS		1000000ULL

/* What a scan handed over. */
struct taken {
	uint8_t frame[SCAN_FRAMES];
	uint64_t last_end, file_frame, nr_ranges;
	unsigned int stop_after;
};

static bool take(void *context, uint64_t first, uint32_t count)
{
	struct taken *taken = context;
	uint64_t at = taken->file_frame + first;

	CHECK(count && count <= PAGEHINT_MAX_BUSY, "a range of %u frames", count);
	CHECK(first >= taken->last_end, "ranges are not in order");
	CHECK(at / PAGEHINT_MAX_BUSY == (at + count - 1) / PAGEHINT_MAX_BUSY,
	      "frames %llu+%u cross 2 MiB", (unsigned long long)at, count);
	/* Neighbours are only apart where 2 MiB end. */
	CHECK(first != taken->last_end || !first || at % PAGEHINT_MAX_BUSY == 0,
	      "ranges are not joined at %llu", (unsigned long long)first);
	memset(&taken->frame[first], 1, count);
	taken->last_end = first + count;
	return ++taken->nr_ranges != taken->stop_after;
}

static void scan_once(struct scan *scan, const uint8_t *state, uint64_t nr, uint64_t skew,
		      uint64_t now, struct taken *taken)
{
	struct scan_piece piece = {
		.state = state, .nr_frames = nr, .file_frame = skew,
	};

	memset(taken, 0, sizeof(*taken));
	taken->file_frame = skew;
	scan_begin(scan, now);
	scan_piece(scan, &piece, take, taken);
}

static bool claimable(uint8_t byte)
{
	return (byte & PAGEHINT_STATE_MASK) == PAGEHINT_UNUSED;
}

/*
 * Random tables that change a little between scans at random times: a frame
 * must be handed over if all scans for age + 2 ticks saw it unused, and must
 * not if one within the age did not.
 */
static void ageing(unsigned int age_ms, uint64_t skew, unsigned int rounds)
{
	static _Alignas(8) uint8_t state[SCAN_FRAMES];
	static uint64_t since[SCAN_FRAMES];
	uint64_t random = test.seed + skew, now = 12345 * MS, i, nr = SCAN_FRAMES - 3;
	uint64_t age = age_ms * MS, slack = 2 * age / SCAN_AGE_TICKS + 2;
	struct taken taken;
	struct scan scan;

	if (scan_init(&scan, SCAN_FRAMES, age_ms)) {
		FAIL("no memory");
		return;
	}
	memset(state, 0, sizeof(state));
	memset(since, 0, sizeof(since));
	while (rounds--) {
		unsigned int changes = test_random(&random) % 40;

		while (changes--) {
			uint64_t first = test_random(&random) % SCAN_FRAMES;
			uint64_t count = test_random(&random) % 700;
			uint64_t kind = test_random(&random);
			uint8_t byte = kind % 3 ? PAGEHINT_UNUSED : kind >> 8;

			for (i = first; i < first + count && i < SCAN_FRAMES; i++)
				state[i] = byte;
		}
		now += 1 + test_random(&random) % (age_ms ? age / 2 : MS);
		scan_once(&scan, state, nr, skew, now, &taken);
		for (i = 0; i < nr; i++) {
			if (!claimable(state[i]))
				since[i] = 0;
			else if (!since[i])
				since[i] = now;
			if (taken.frame[i])
				CHECK(since[i] && now - since[i] >= age,
				      "frame %llu (%#x) taken after %llu ns",
				      (unsigned long long)i, state[i],
				      (unsigned long long)(since[i] ? now - since[i] : 0));
			else
				CHECK(!since[i] || now - since[i] < age + slack,
				      "frame %llu not taken after %llu ns",
				      (unsigned long long)i,
				      (unsigned long long)(now - since[i]));
		}
		if (test_failed())
			break;
	}
	munmap(scan.stamp, SCAN_FRAMES);
}

static void scan_model(void)
{
	ageing(1000, 0, 400);
	ageing(1000, 3, 400);
	ageing(20, 509, 400);
	ageing(0, 0, 400);
	ageing(0, 7, 400);
}

/* Stamps go round after 254 ticks: frames that are left alone must stay ripe. */
static void scan_ripe_stays_ripe(void)
{
	static _Alignas(8) uint8_t state[SCAN_FRAMES];
	struct taken taken;
	struct scan scan;
	uint64_t now;

	scan_init(&scan, SCAN_FRAMES, 32);
	memset(state, PAGEHINT_UNUSED, sizeof(state));
	for (now = MS; now < 2000 * MS; now += MS) {
		scan_once(&scan, state, SCAN_FRAMES, 0, now, &taken);
		CHECK(now < 36 * MS || taken.frame[17], "not ripe any more at %llu ms",
		      (unsigned long long)(now / MS));
	}
	munmap(scan.stamp, SCAN_FRAMES);
}

/* However dear a look is, it does not take more of a CPU than it may. */
static void scan_cpu(void)
{
	struct scan scan = { .nr_unused = 0 };
	uint64_t took;

	for (took = 1000; took < 10000 * MS; took *= 3) {
		scan.nr_unused = 0;
		CHECK(scan_interval(&scan, 0, took) >= 20 * took, "idle, %lu ns", took);
		scan.nr_unused = 1;
		CHECK(scan_interval(&scan, 0, took) >= 4 * took, "busy, %lu ns", took);
	}
	CHECK(scan_interval(&scan, 0, 1000) == 5 * MS, "the shortest");
	CHECK(scan_interval(&scan, 100, 1000) == 25 * MS, "a quarter of the age");
	CHECK(scan_interval(&scan, 60000, 1000) == 250 * MS, "the longest");
	scan.nr_unused = 0;
	CHECK(scan_interval(&scan, 0, 1000) == 20 * MS, "idle");
}

static void histogram(void)
{
	static _Alignas(8) uint8_t state[SCAN_FRAMES];
	uint64_t frames[NR_FRAME_STATES] = { 0 };

	memset(state, PAGEHINT_UNUSED | PAGEHINT_ABSENT, sizeof(state));
	memset(state, PAGEHINT_STABLE, 1001);
	state[5] = PAGEHINT_VOLATILE | 0x30;
	scan_histogram(state, SCAN_FRAMES, frames);
	CHECK(frames[FRAMES_STABLE] == 1000 && frames[FRAMES_VOLATILE] == 1 &&
	      frames[FRAMES_UNUSED_ABSENT] == SCAN_FRAMES - 1001, "miscounted");
}

#define FRAMES	2048

struct bench {
	struct guest guest;
	struct table table;
	struct lease lease;
	struct vm_shared shared;
	struct drop drop;
	bool go_on;
};

static bool may_go_on(void *context)
{
	return *(bool *)context;
}

static void set_up(struct bench *bench)
{
	memset(bench, 0, sizeof(*bench));
	guest_create(&bench->guest, FRAMES);
	if (table_map(&bench->table, bench->guest.table_fd, bench->guest.table_size))
		abort();
	guest_ask(&bench->guest, 9);
	bench->guest.header->host_gen_echo = 42;
	bench->lease.boot_id = 9;
	bench->lease.host_gen = 42;
	bench->drop.table = &bench->table;
	bench->drop.lease = &bench->lease;
	bench->drop.shared = &bench->shared;
	bench->drop.may_go_on = may_go_on;
	bench->drop.context = &bench->go_on;
	bench->go_on = true;
}

static void tear_down(struct bench *bench)
{
	munmap(bench->table.header, bench->guest.table_size);
	guest_destroy(&bench->guest);
}

static enum drop_result drop_usage(struct bench *bench, uint8_t usage, uint64_t first,
				   uint32_t count, uint32_t *nr_dropped)
{
	struct drop_range range = {
		.first = first, .count = count, .usage = usage,
		.fd = bench->guest.ram_fd,
		.file_frame = guest_file_frame(&bench->guest, first),
	};
	enum drop_result result = drop_range(&bench->drop, &range, nr_dropped);

	CHECK(!bench->shared.inflight.count && !bench->guest.header->busy_count,
	      "the record was not cleared");
	return result;
}

static enum drop_result drop(struct bench *bench, uint64_t first, uint32_t count,
			     uint32_t *nr_dropped)
{
	return drop_usage(bench, PAGEHINT_UNUSED, first, count, nr_dropped);
}

static void drop_results(void)
{
	uint32_t nr;
	struct bench bench;
	uint64_t before;

	set_up(&bench);
	guest_fill_and_free(&bench.guest);
	before = guest_allocated_bytes(&bench.guest);

	CHECK(drop(&bench, 8, 100, &nr) == DROP_DONE && nr == 100, "a free range");
	CHECK(guest_count(&bench.guest, 0xff, PAGEHINT_UNUSED | PAGEHINT_ABSENT) == 100, "marks");
	CHECK(before - guest_allocated_bytes(&bench.guest) == 100 * PAGEHINT_FRAME_BYTES,
	      "the memory did not come back");
	CHECK(bench.guest.header->nr_dropped == 100, "the guest is not told");

	/* The guest is first in the middle; the last frame stays. */
	CHECK(guest_allocate(&bench.guest, 250, 1), "allocate");
	CHECK(drop(&bench, 200, 100, &nr) == DROP_PART && nr == 50, "dropped %u", nr);
	guest_verify(&bench.guest, 250, 1);
	CHECK(bench.guest.state[251] == PAGEHINT_UNUSED, "a frame that was not claimed");
	CHECK(drop(&bench, 250, 1, &nr) == DROP_PART && !nr, "a stable frame");
	CHECK(drop(&bench, 8, 1, &nr) == DROP_PART && !nr, "an absent frame");
	bench.guest.state[300] = PAGEHINT_VOLATILE;
	CHECK(drop(&bench, 300, 1, &nr) == DROP_PART && !nr, "a volatile frame as unused");

	/* The lease ended, or something came in between. */
	bench.guest.header->active = 0;
	CHECK(drop(&bench, 400, 100, &nr) == DROP_STOPPED && !nr, "without a lease");
	bench.guest.header->active = 1;
	bench.go_on = false;
	CHECK(drop(&bench, 400, 100, &nr) == DROP_STOPPED && !nr, "during a reset");
	bench.go_on = true;
	CHECK(!guest_count(&bench.guest, PAGEHINT_BUSY, PAGEHINT_BUSY), "left busy");
	CHECK(bench.guest.state[400] == PAGEHINT_UNUSED, "not given back");
	tear_down(&bench);
}

/* Temperatures change under the claim, contents under a failing drop. */
static void drop_fails(void)
{
	struct bench bench;
	uint32_t nr;
	int fd;

	set_up(&bench);
	bench.guest.state[600] = PAGEHINT_UNUSED | 0x70;
	CHECK(drop(&bench, 600, 1, &nr) == DROP_DONE &&
	      bench.guest.state[600] == (PAGEHINT_UNUSED | PAGEHINT_ABSENT | 0x70),
	      "a temperature was lost");
	/* A file that is open for reading only cannot be punched. */
	memset(&bench.guest.state[700], PAGEHINT_UNUSED, 20);
	fd = bench.guest.ram_fd;
	bench.guest.ram_fd = open(bench.guest.ram_path, O_RDONLY);
	CHECK(drop(&bench, 700, 20, &nr) == DROP_FAILED && !nr && errno == EBADF, "no failure");
	CHECK(bench.guest.state[700] == PAGEHINT_UNUSED, "frame became %#x",
	      bench.guest.state[700]);
	close(bench.guest.ram_fd);
	bench.guest.ram_fd = fd;
	tear_down(&bench);
}

static struct guest *meddler;

/* Between claim and drop: one of the frames is freed, one gets hotter. */
static bool meddle(void *context)
{
	(void)context;
	CHECK(meddler->state[800] == (PAGEHINT_VOLATILE | PAGEHINT_BUSY | 0x50),
	      "claimed as %#x", meddler->state[800]);
	guest_free_volatile(meddler, 800);
	meddler->state[801] += 0x10;
	return true;
}

/* Volatile frames go by the same rules, and are no unused ones. */
static void drop_volatile(void)
{
	struct bench bench;
	struct guest *guest = &bench.guest;
	uint32_t nr;
	int fd;

	set_up(&bench);
	guest_cache(guest, 800, 20, 3, 5);
	CHECK(drop(&bench, 800, 20, &nr) == DROP_PART && !nr, "volatile frames as unused");
	CHECK(drop_usage(&bench, PAGEHINT_VOLATILE, 800, 10, &nr) == DROP_DONE && nr == 10, "drop");
	CHECK(guest_count(guest, 0xff, PAGEHINT_VOLATILE | PAGEHINT_ABSENT | 0x50) == 10, "marks");
	CHECK(drop_usage(&bench, PAGEHINT_VOLATILE, 805, 10, &nr) == DROP_PART && !nr,
	      "frames that are absent");
	CHECK(guest_read(guest, 800, 20, 3) == 10, "what is absent is kept, or else");

	for (nr = 800; nr < 820; nr++)
		guest_make_volatile(guest, nr, 5);
	meddler = guest;
	bench.drop.may_go_on = meddle;
	CHECK(drop_usage(&bench, PAGEHINT_VOLATILE, 800, 2, &nr) == DROP_DONE && nr == 2, "drop");
	bench.drop.may_go_on = may_go_on;
	CHECK(guest->state[800] == (PAGEHINT_UNUSED | PAGEHINT_ABSENT), "freed meanwhile: %#x",
	      guest->state[800]);
	CHECK(guest->state[801] == (PAGEHINT_VOLATILE | PAGEHINT_ABSENT | 0x60),
	      "hotter meanwhile: %#x", guest->state[801]);
	CHECK(guest_allocate(guest, 800, 4), "allocate");	/* and find zeros */

	/* Stopped: nothing went. Failed: who knows. */
	bench.go_on = false;
	CHECK(drop_usage(&bench, PAGEHINT_VOLATILE, 810, 10, &nr) == DROP_STOPPED && !nr, "stop");
	CHECK(guest_read(guest, 810, 5, 3) == 0, "lost though nothing went");
	bench.go_on = true;
	fd = guest->ram_fd;
	guest->ram_fd = open(guest->ram_path, O_RDONLY);
	CHECK(drop_usage(&bench, PAGEHINT_VOLATILE, 815, 5, &nr) == DROP_FAILED && !nr, "fail");
	close(guest->ram_fd);
	guest->ram_fd = fd;
	CHECK(guest_read(guest, 815, 5, 3) == 5, "kept though it may have gone");
	tear_down(&bench);
}

static bool drop_now(void *context, uint64_t first, uint32_t count)
{
	struct bench *bench = context;
	uint32_t nr;

	CHECK(drop(bench, first, count, &nr) != DROP_FAILED, "%s", strerror(errno));
	return true;
}

/* Everything unused goes at once while the guest works. */
static void drop_under_load(void)
{
	double end = test_now() + (test.brief ? 2 : 10);
	uint64_t half = FRAMES / 2, i;
	struct bench bench;
	struct scan scan;

	set_up(&bench);
	scan_init(&scan, FRAMES, 0);
	guest_fill_and_free(&bench.guest);
	bench.guest.header->host_gen = 42;
	bench.guest.header->host_boot_id = 9;
	guest_run(&bench.guest, 2);
	while (test_now() < end && !test_failed()) {
		scan_begin(&scan, guest_now());
		for (i = 0; i < 2; i++) {
			struct scan_piece piece = {
				.state = bench.table.state, .first = i * half,
				.nr_frames = half,
				.file_frame = guest_file_frame(&bench.guest, i * half),
			};

			scan_piece(&scan, &piece, drop_now, &bench);
		}
	}
	guest_halt(&bench.guest);
	CHECK(bench.guest.nr_absent > 1000, "only %llu dropped frames came back into use",
	      (unsigned long long)bench.guest.nr_absent);
	CHECK(!guest_count(&bench.guest, PAGEHINT_BUSY, PAGEHINT_BUSY), "left busy");
	test_note("%llu allocated, %llu of them dropped before; longest wait %.3f ms",
		  (unsigned long long)bench.guest.nr_allocated,
		  (unsigned long long)bench.guest.nr_absent,
		  bench.guest.max_wait_ns / 1e6);
	munmap(scan.stamp, FRAMES);
	tear_down(&bench);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "scan_model", scan_model },
		{ "scan_ripe_stays_ripe", scan_ripe_stays_ripe },
		{ "scan_cpu", scan_cpu },
		{ "histogram", histogram },
		{ "drop_results", drop_results },
		{ "drop_fails", drop_fails },
		{ "drop_volatile", drop_volatile },
		{ "drop_under_load", drop_under_load },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}

// SPDX-License-Identifier: GPL-2.0
/*
 * A guest that writes whatever it likes into its half of the header and into
 * the table, against the daemon's own functions: who gets a lease and for what
 * must be exactly what pagehintd_fuzz.h works out, and every system call on the
 * guest's memory is looked at before it happens. Time is made up, so that what
 * is bounded per second is counted.
 *
 * Linked with --wrap for fallocate, pread, poll and now_ns, and built behind
 * pagehintd_seam.h. usage: as test.h; --rounds N for longer runs.
 */
#include <errno.h>
#include <poll.h>

#include "pagehintd_fuzz.h"

#define RANGES_PER_SECOND	10000	/* as reclaim.c promises */
#define RANGES_BURST		1000
#define MS			1000000ULL

int __real_fallocate(int fd, int mode, off_t offset, off_t length);
ssize_t __real_pread(int fd, void *buffer, size_t size, off_t offset);

void (*guest_before_swap)(uint8_t *byte);

static struct fuzz_vm fuzz;
static struct fuzz_verdict verdict;
static struct vm_shared shared;
static struct worker worker;
static uint64_t seeded, fake_now, started, nr_punched, nr_volatile, nr_leases, nr_refused;
static bool racing;	/* the verdict is not known: another thread writes */
static bool disturbed;	/* the next poll says so */

uint64_t __wrap_now_ns(void);
int __wrap_poll(struct pollfd *fds, nfds_t nr, int timeout);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t length);
ssize_t __wrap_pread(int fd, void *buffer, size_t size, off_t offset);

uint64_t __wrap_now_ns(void)
{
	fake_now += 200;
	return fake_now;
}

int __wrap_poll(struct pollfd *fds, nfds_t nr, int timeout)
{
	(void)fds;
	(void)nr;
	if (timeout > 0)
		fake_now += timeout * MS;
	return timeout == 0 && disturbed;
}

static uint32_t file_of(int fd)
{
	uint32_t file;

	for (file = 0; file < NR_FILES; file++) {
		if (fuzz.vm.ram[file].fd == fd)
			return file;
	}
	FAIL("a call on file descriptor %d, which is no RAM file", fd);
	return 0;
}

/* Proofs are looked for in guest memory alone. */
ssize_t __wrap_pread(int fd, void *buffer, size_t size, off_t offset)
{
	uint32_t file = file_of(fd);

	CHECK(size == PAGEHINT_FRAME_BYTES && offset % PAGEHINT_FRAME_BYTES == 0 &&
	      fuzz_piece_of(file, offset / PAGEHINT_FRAME_BYTES, 1),
	      "read %zu bytes at %#lx of file %u, which is not the guest's", size, offset, file);
	return __real_pread(fd, buffer, size, offset);
}

/* The extent, confirmed, that has all these frames of a file; or NULL */
static const struct fuzz_extent *extent_of(uint32_t file, uint64_t frame, uint64_t nr)
{
	unsigned int i;

	for (i = 0; i < verdict.nr; i++) {
		const struct fuzz_extent *extent = &verdict.extent[i];

		if (extent->confirmed && extent->file == file && frame >= extent->file_frame &&
		    frame + nr <= extent->file_frame + extent->nr)
			return extent;
	}
	return NULL;
}

static void check_claimed(const struct fuzz_extent *extent, uint64_t frame, uint64_t nr)
{
	const struct pagehint_header *header = fuzz.header;
	uint64_t first = extent->first + (frame - extent->file_frame), i;
	uint8_t usage;

	CHECK(header->active == 1 && header->boot_id == worker.lease.boot_id &&
	      header->host_gen_echo == worker.lease.host_gen && header->host_gen_echo,
	      "dropped without a lease");
	CHECK(header->busy_first == first && header->busy_count >= nr &&
	      header->busy_count <= PAGEHINT_MAX_BUSY, "recorded %lu+%u, dropped %lu+%lu",
	      (unsigned long)header->busy_first, header->busy_count, first, nr);
	usage = fuzz.state[first] & PAGEHINT_USAGE_MASK;
	nr_volatile += usage == PAGEHINT_VOLATILE ? nr : 0;
	CHECK(usage == PAGEHINT_UNUSED ? verdict.features & PAGEHINT_F_UNUSED :
	      usage == PAGEHINT_VOLATILE && (verdict.features & PAGEHINT_F_VOLATILE),
	      "dropped in state %#x, the features are %#lx", fuzz.state[first], verdict.features);
	for (i = first; i < first + nr; i++)
		CHECK((fuzz.state[i] & PAGEHINT_STATE_MASK) == (usage | PAGEHINT_BUSY),
		      "frame %lu dropped in state %#x", i, fuzz.state[i]);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t length)
{
	uint64_t frame = offset / PAGEHINT_FRAME_BYTES, nr = length / PAGEHINT_FRAME_BYTES, i;
	uint32_t file = file_of(fd);
	const struct fuzz_extent *extent = extent_of(file, frame, nr);

	nr_punched++;
	if (!CHECK(mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) && nr &&
		   nr <= PAGEHINT_MAX_BUSY && offset % PAGEHINT_FRAME_BYTES == 0 &&
		   length % PAGEHINT_FRAME_BYTES == 0 && fuzz_piece_of(file, frame, nr),
		   "a hole at %#lx+%#lx of file %u, which is not the guest's", offset, length,
		   file))
		return 0;
	if (!CHECK(extent, "frames %lu+%lu of file %u: no extent is confirmed there", frame, nr,
		   file))
		return 0;
	if (!racing)
		check_claimed(extent, frame, nr);
	for (i = frame; i < frame + nr; i++)
		fuzz.gone[file][i] = true;
	return __real_fallocate(fd, mode, offset, length);
}

/* ------------------------------------------------------------------------ */

static uint64_t word_before[NR_FILES][FILE_FRAMES];

static void remember_words(void)
{
	uint32_t file;
	uint64_t i;

	for (file = 0; file < NR_FILES; file++) {
		for (i = 0; i < FILE_FRAMES; i++)
			word_before[file][i] = *fuzz_frame(&fuzz, file, i);
	}
}

/* Nothing has changed but what the seam let pass. */
static void check_words(void)
{
	uint32_t file;
	uint64_t i;

	for (file = 0; file < NR_FILES; file++) {
		for (i = 0; i < FILE_FRAMES; i++) {
			uint64_t expected = fuzz.gone[file][i] ? 0 : word_before[file][i];
			uint64_t *frame = fuzz_frame(&fuzz, file, i);

			CHECK(*frame == expected, "frame %lu of file %u: expected %#lx, found %#lx",
			      i, file, expected, *frame);
			if (!fuzz_piece_of(file, i, 1))
				continue;
			/* As new, for the next round */
			frame[0] = fuzz_word(file, i);
			memset(frame + 1, 0, 3 * sizeof(*frame));
			frame[FRAME_WORDS - 1] = 0;
			fuzz.gone[file][i] = false;
		}
	}
}

static void set_up(void)
{
	fuzz_create(&fuzz);
	memset(&shared, 0, sizeof(shared));
	worker = (struct worker) {
		.vm = &fuzz.vm, .shared = &shared, .map = fuzz.map,
		.signal_fd = -1, .pidfd = -1, .qmp.fd = -1,
		.drop = {
			.table = &worker.table, .lease = &worker.lease, .shared = &shared,
			.may_go_on = worker_undisturbed, .context = &worker,
		},
	};
	if (table_map(&worker.table, fuzz.table_fd, TABLE_BYTES) ||
	    scan_init(&worker.scan, TABLE_ROOM, 0) || ages_init(&worker.ages, TABLE_ROOM))
		abort();
	seeded = test.seed;
	fake_now = 1000 * MS;
	started = fake_now;
	nr_punched = 0;
	nr_volatile = 0;
	nr_leases = 0;
	nr_refused = 0;
	racing = false;
}

static void tear_down(void)
{
	guest_before_swap = NULL;
	munmap(worker.scan.stamp, TABLE_ROOM);
	munmap(worker.ages.group, TABLE_ROOM / AGES_GROUP);
	munmap(worker.table.header, TABLE_BYTES);
	fuzz_destroy(&fuzz);
}

static void check_examined(void)
{
	static struct pagehint_header before;
	unsigned int i;
	bool lease;

	before = *fuzz.header;
	lease = lease_examine(&worker.lease, &worker.table, &worker.map, fuzz.vm.ram,
			      HOST_FEATURES);
	CHECK(!memcmp(&before, fuzz.header, sizeof(before)), "the examination wrote to the header");
	fuzz_judge(&fuzz, &verdict);
	if (!CHECK(lease == verdict.lease, "expected %s, found the opposite: %s",
		   verdict.lease ? "a lease" : "a refusal", worker.lease.why))
		return;
	CHECK(lease || worker.lease.refusal == REFUSED_NOT || worker.lease.why[0],
	      "refused without a reason");
	nr_leases += lease;
	nr_refused += !lease;
	for (i = 0; lease && i < verdict.nr; i++) {
		const struct lease_extent *found = &worker.lease.extents[i];
		const struct fuzz_extent *expected = &verdict.extent[i];

		CHECK(found->confirmed == expected->confirmed, "extent %u: expected %d, found %d",
		      i, expected->confirmed, found->confirmed);
	}
}

/* What an earlier daemon's record says may be anything; no frame is harmed. */
static void check_recovery(void)
{
	static uint8_t before[TABLE_ROOM];
	struct pagehint_header *header = fuzz.header;
	uint64_t i, most = header->busy_count, changed = 0, said;

	memcpy(before, fuzz.state, sizeof(before));
	said = recover_header(&worker.table);
	for (i = 0; i < TABLE_ROOM; i++) {
		if (before[i] == fuzz.state[i])
			continue;
		changed++;
		CHECK(pagehint_host_owns(before[i]) &&
		      fuzz.state[i] == pagehint_host_recover(before[i]),
		      "recovery made %#x of %#x", fuzz.state[i], before[i]);
	}
	CHECK(changed == said && said <= most && said <= PAGEHINT_MAX_BUSY,
	      "recovered %lu of a record of %lu, says %lu", changed, most, said);
}

/* Between the daemon's look at a byte and its swap */
static void meddle(uint8_t *byte)
{
	uint64_t pick = test_random(&seeded);

	if (pick % 8 == 0)
		*byte = pick >> 8;
	else if (pick % 8 == 1)
		*byte ^= 0x10;
}

static void random_table(void)
{
	uint64_t at = 0;

	while (at < TABLE_ROOM) {
		uint64_t pick = test_random(&seeded), nr = 1 + (pick >> 8) % 600, i;

		for (i = at; i < at + nr && i < TABLE_ROOM; i++)
			fuzz.state[i] = pick % 4 == 0 ? PAGEHINT_STABLE :
					pick % 4 == 1 ? test_random(&seeded) :
					pick % 8 < 4 ? PAGEHINT_UNUSED : PAGEHINT_VOLATILE;
		at += nr;
	}
}

static void reclaim_passes(void)
{
	struct pagehint_header *header = fuzz.header;
	unsigned int passes = 1 + test_random(&seeded) % 3;

	while (passes--) {
		uint64_t pick = test_random(&seeded);

		/* What was examined counts, whatever the page says now. */
		if (pick % 3 == 0)
			memset(header->extents, pick >> 8, sizeof(header->extents));
		if (pick % 5 == 0)
			header->nr_extents = pick >> 8;
		if (pick % 7 == 0)
			header->table_bytes = pick >> 8;
		if (pick % 11 == 0)
			header->host_gen_echo ^= 1ULL << (pick >> 8) % 64;
		if (pick % 13 == 0)
			header->active = pick >> 8;
		if (pick % 17 == 0)
			header->boot_id = 0;
		disturbed = pick % 19 == 0;
		reclaim_scan(&worker);
		reclaim_volatile(&worker);
		if (pick % 23 == 0)
			reclaim_now(&worker, &(struct drop_command) { .wanted = pick >> 48 });
		disturbed = false;
		CHECK(!header->busy_count && !shared.inflight.count, "the record was not cleared");
		random_table();
		fake_now += (pick >> 32) % (5 * MS);
	}
}

static void one_round(bool drop)
{
	unsigned int mutations = test_random(&seeded) % 4;
	uint64_t most;

	/* 0 is nobody, proofs or not. */
	fuzz_honest(&fuzz, test_random(&seeded) % 32 ? seeded | 1 : 0, &seeded);
	while (mutations--)
		fuzz_mutate(&fuzz, &seeded);
	check_examined();
	if (!drop || test_failed())
		return;
	random_table();
	fuzz.header->busy_first = fuzz_value(&seeded, 100);
	fuzz.header->busy_count = fuzz_value(&seeded, PAGEHINT_MAX_BUSY);
	fuzz.header->host_magic = PAGEHINT_HOST_MAGIC;
	check_recovery();
	remember_words();
	if (verdict.lease && lease_offer(&worker.lease, &worker.table)) {
		worker.ages.temperatures = worker.lease.features & PAGEHINT_F_TEMPERATURE;
		fuzz.vm.volatile_policy = test_random(&seeded) % 2 ? VOLATILE_ALL : VOLATILE_TARGET;
		fuzz.vm.target_mib = test_random(&seeded) % 8;
		fuzz.header->host_gen_echo = fuzz.header->host_gen;
		guest_before_swap = test_random(&seeded) % 4 ? NULL : meddle;
		racing = guest_before_swap;	/* bytes change under the claim */
		reclaim_passes();
		guest_before_swap = NULL;
		racing = false;
	}
	check_words();
	most = RANGES_BURST + (fake_now - started) * RANGES_PER_SECOND / NSEC_PER_SEC;
	CHECK(shared.nr_ranges <= most, "%lu ranges in %.3f s", shared.nr_ranges,
	      (fake_now - started) / 1e9);
}

static void run_rounds(uint64_t rounds, bool drop)
{
	uint64_t i;

	rounds = test.rounds ?: rounds;
	set_up();
	for (i = 0; i < rounds && !test_failed(); i++)
		one_round(drop);
	CHECK(nr_leases > rounds / 20 && nr_refused > rounds / 20,
	      "%lu leases and %lu refusals prove little", nr_leases, nr_refused);
	CHECK(!drop || nr_punched > rounds, "only %lu holes", nr_punched);
	CHECK(!drop || nr_volatile > rounds, "only %lu volatile frames", nr_volatile);
	if (test_failed())
		fprintf(stderr, "round %lu of seed %lu\n", i, test.seed);
	test_note("seed %lu: %lu rounds, %lu leases, %lu ranges in %.1f s of made-up time",
		  test.seed, rounds, nr_leases, shared.nr_ranges, (fake_now - started) / 1e9);
	tear_down();
}

static void headers(void)
{
	run_rounds(test.brief ? 20000 : 200000, false);
}

static void headers_and_tables(void)
{
	run_rounds(test.brief ? 300 : 3000, true);
}

/* As many single frames as there are: the bucket decides, not the guest. */
static void ranges_per_second(void)
{
	uint64_t i, ranges, burst;
	unsigned int pass;

	set_up();
	fuzz_honest(&fuzz, 5, &seeded);
	fuzz.header->features = PAGEHINT_F_UNUSED | PAGEHINT_F_VOLATILE;
	check_examined();
	if (!CHECK(lease_offer(&worker.lease, &worker.table), "no lease"))
		return;
	fuzz.header->host_gen_echo = fuzz.header->host_gen;
	fake_now += 3600 * NSEC_PER_SEC;	/* an hour's tokens are not saved up */
	started = fake_now;
	fuzz.vm.volatile_policy = VOLATILE_ALL;
	for (pass = 0; pass < 40; pass++) {
		/* Both kinds out of one bucket */
		for (i = 0; i < TABLE_ROOM; i++)
			fuzz.state[i] = i % 4 == 1 ? PAGEHINT_UNUSED :
					i % 2 ? PAGEHINT_VOLATILE : PAGEHINT_STABLE;
		reclaim_scan(&worker);
		reclaim_volatile(&worker);
	}
	ranges = shared.nr_ranges;
	burst = RANGES_BURST + (fake_now - started) * RANGES_PER_SECOND / NSEC_PER_SEC;
	CHECK(ranges > 10000, "only %lu ranges", ranges);
	CHECK(ranges <= burst, "%lu ranges in %.3f s, expected %lu at most", ranges,
	      (fake_now - started) / 1e9, burst);
	test_note("%lu ranges in %.1f s of made-up time", ranges, (fake_now - started) / 1e9);
	tear_down();
}

static uint8_t faster_while;	/* BUSY, or not */

static void always_faster(uint8_t *byte)
{
	if ((*byte & PAGEHINT_BUSY) == faster_while)
		*byte ^= 0x10;
}

/* One that is faster every time: it has nothing from it, and we go on. */
static void faster_than_us(void)
{
	struct drop_range range = { .count = 8, .usage = PAGEHINT_UNUSED };
	uint32_t nr;

	set_up();
	fuzz_honest(&fuzz, 6, &seeded);
	fuzz.header->features = PAGEHINT_F_UNUSED | PAGEHINT_F_VOLATILE;
	check_examined();
	lease_offer(&worker.lease, &worker.table);
	fuzz.header->host_gen_echo = fuzz.header->host_gen;
	memset(fuzz.state, PAGEHINT_UNUSED, TABLE_ROOM);
	range.fd = fuzz.vm.ram[verdict.extent[0].file].fd;
	range.first = verdict.extent[0].first;
	range.file_frame = verdict.extent[0].file_frame;
	guest_before_swap = always_faster;
	CHECK(drop_range(&worker.drop, &range, &nr) == DROP_PART && !nr, "dropped %u", nr);
	faster_while = PAGEHINT_BUSY;
	CHECK(drop_range(&worker.drop, &range, &nr) == DROP_DONE && nr == 8, "dropped %u", nr);
	CHECK(!fuzz.header->busy_count && !shared.inflight.count, "the record was not cleared");
	CHECK(!recover_range(&worker.table, range.first, 8), "recovered what changes");
	guest_before_swap = NULL;
	CHECK(recover_range(&worker.table, range.first, 8) == 8, "not when it is quiet");
	tear_down();
}

/* Another thread writes to everything while leases are given and used. */
static bool stop_racing;

static void *race(void *unused)
{
	uint64_t random = test.seed * 31;

	(void)unused;
	while (!__atomic_load_n(&stop_racing, __ATOMIC_RELAXED)) {
		uint64_t pick = test_random(&random);
		unsigned int kind = (pick >> 8) % 64;

		if (kind < 6)
			fuzz_mutate_extent(fuzz.header, &random);
		else if (kind == 6)
			fuzz.header->nr_extents = fuzz_value(&random, 3);
		else if (kind == 7)
			fuzz.header->table_bytes = fuzz_value(&random, TABLE_ROOM);
		else if (kind == 8)
			fuzz.header->active ^= 1;
		else
			fuzz.state[(pick >> 16) % TABLE_ROOM] =
				pick % 3 ? PAGEHINT_UNUSED : pick >> 40;
	}
	return NULL;
}

/* What was kept of the examination is what may be touched, and it is sane. */
static void keep_verdict(void)
{
	unsigned int i;

	memset(&verdict, 0, sizeof(verdict));
	verdict.nr = worker.lease.nr_extents;
	for (i = 0; i < verdict.nr; i++) {
		const struct lease_extent *extent = &worker.lease.extents[i];

		CHECK(extent->nr_frames && (wide)extent->first + extent->nr_frames <= TABLE_ROOM,
		      "extent %u is not within the table", i);
		if (!extent->confirmed)
			continue;
		CHECK(fuzz_piece_of(extent->file, extent->file_frame, extent->nr_frames),
		      "extent %u is not the guest's memory", i);
		verdict.extent[i] = (struct fuzz_extent) {
			.first = extent->first, .nr = extent->nr_frames,
			.file = extent->file, .file_frame = extent->file_frame, .confirmed = true,
		};
	}
}

static void races(void)
{
	double end = test_now() + (test.brief ? 1 : 20);
	uint64_t rounds = 0;
	pthread_t thread;

	set_up();
	racing = true;
	fuzz.vm.volatile_policy = VOLATILE_ALL;
	while ((test_now() < end || rounds < 40) && !test_failed()) {
		fuzz_honest(&fuzz, 1 + rounds, &seeded);
		remember_words();
		__atomic_store_n(&stop_racing, false, __ATOMIC_RELAXED);
		pthread_create(&thread, NULL, race, NULL);
		if (lease_examine(&worker.lease, &worker.table, &worker.map, fuzz.vm.ram,
				  HOST_FEATURES) &&
		    lease_offer(&worker.lease, &worker.table)) {
			unsigned int pass;

			nr_leases++;
			keep_verdict();
			fuzz.header->host_gen_echo = fuzz.header->host_gen;
			for (pass = 0; pass < 4; pass++) {
				reclaim_scan(&worker);
				reclaim_volatile(&worker);
			}
		}
		__atomic_store_n(&stop_racing, true, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
		check_words();
		rounds++;
	}
	CHECK(nr_leases > 10 && nr_punched > 10, "%lu leases, %lu holes prove little", nr_leases,
	      nr_punched);
	test_note("%lu rounds, %lu leases, %lu holes", rounds, nr_leases, nr_punched);
	tear_down();
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "headers", headers },
		{ "headers_and_tables", headers_and_tables },
		{ "ranges_per_second", ranges_per_second },
		{ "faster_than_us", faster_than_us },
		{ "races", races },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}

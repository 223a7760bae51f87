// SPDX-License-Identifier: GPL-2.0
/*
 * The daemon as a process with two VMs: one is hostile, or loses its files, the
 * other honest, with threads that verify every frame. Whatever happens to the
 * first, it costs a bounded number of ranges and log lines, and the other goes
 * on. What is bounded is counted; times and shares of a CPU are for people.
 */
#include <pagehintd.h>

#undef ARRAY_SIZE
#include "pagehintd_process.h"

#define FRAMES		4096
#define EXTRA		64	/* frames behind the guest's, in the same file */
#define EXTRA_WORD	0xcafe000000000000ULL

#define BAD(name)	name "{vm=\"bad\"}"
#define BAD_IN_FORCE	"pagehintd_lease{vm=\"bad\",pagehintd_lease=\"in_force\"}"
#define GOOD_DROPPED	"pagehintd_dropped_frames_total{vm=\"good\"}"
#define GOOD_RESTARTS	"pagehintd_worker_restarts_total{vm=\"good\"}"

struct pair {
	struct daemon daemon;
	struct guest bad, good;
	uint64_t *extra;
};

static void pair_start(struct pair *pair, const char *age)
{
	uint64_t bytes = FRAMES * PAGEHINT_FRAME_BYTES, i;
	char pid[32];

	guest_create(&pair->bad, FRAMES);
	guest_create(&pair->good, FRAMES);
	if (ftruncate(pair->bad.ram_fd, bytes + EXTRA * PAGEHINT_FRAME_BYTES))
		abort();
	pair->extra = mmap(NULL, EXTRA * PAGEHINT_FRAME_BYTES, PROT_READ | PROT_WRITE,
			   MAP_SHARED, pair->bad.ram_fd, bytes);
	for (i = 0; i < EXTRA * GUEST_FRAME_WORDS; i++)
		pair->extra[i] = EXTRA_WORD + i;
	pair->bad.features = PAGEHINT_F_UNUSED | PAGEHINT_F_VOLATILE | PAGEHINT_F_TEMPERATURE;
	guest_ask(&pair->bad, 101);
	guest_fill_and_free(&pair->bad);
	guest_ask(&pair->good, 102);
	guest_fill_and_free(&pair->good);
	guest_run(&pair->good, 1);
	snprintf(pid, sizeof(pid), "--pid=%d", (int)getpid());
	snprintf(pair->daemon.control, sizeof(pair->daemon.control), "%.89s.control",
		 pair->bad.ram_path);
	daemon_start_args(&pair->daemon, (const char *const[]) {
		program(), "--vm", "bad", "--ram", pair->bad.ram_path, "--table",
		pair->bad.table_path, pair->bad.map[0], pair->bad.map[1], pid,
		"--reset=destroy", "--unused-age", age, "--volatile=all",
		"--vm", "good", "--ram", pair->good.ram_path, "--table",
		pair->good.table_path, pair->good.map[0], pair->good.map[1], pid,
		"--reset=destroy", "--unused-age", "0",
		"--control", pair->daemon.control, NULL });
	WAIT_FOR(guest_echo(&pair->bad) && figure(&pair->daemon, BAD_IN_FORCE) == 1,
		 "no lease: %s", daemon_log(&pair->daemon));
	WAIT_FOR(figure(&pair->daemon, GOOD_DROPPED) > FRAMES, "the honest VM gets nothing");
}

static void good_goes_on(struct pair *pair)
{
	double dropped = figure(&pair->daemon, GOOD_DROPPED);

	WAIT_FOR(figure(&pair->daemon, GOOD_DROPPED) > dropped + 1000,
		 "the honest VM is not served any more: %s", daemon_log(&pair->daemon));
	CHECK(figure(&pair->daemon, GOOD_RESTARTS) == 0, "its worker was replaced");
}

/* How often the log says it, or all its lines for "\n" */
static unsigned int said(const struct pair *pair, const char *what)
{
	const char *at = daemon_log(&pair->daemon);
	unsigned int nr = 0;

	while ((at = strstr(at, what))) {
		nr++;
		at += strlen(what);
	}
	return nr;
}

static void pair_end(struct pair *pair, int expected)
{
	int code;

	good_goes_on(pair);
	kill(pair->daemon.pid, SIGTERM);
	code = daemon_wait(&pair->daemon);
	CHECK(code == expected, "expected exit code %d, found %d: %s", expected, code,
	      daemon_log(&pair->daemon));
	daemon_forget(&pair->daemon);
	guest_halt(&pair->good);
	CHECK(!guest_count(&pair->good, PAGEHINT_BUSY, PAGEHINT_BUSY), "frames are left busy");
	guest_destroy(&pair->good);
	munmap(pair->extra, EXTRA * PAGEHINT_FRAME_BYTES);
	guest_destroy(&pair->bad);
}

/* ------------------------------------------------------------------------
 * A guest that flips bytes as fast as it can
 */

struct flipper {
	struct guest *guest;
	bool header, stop;
	uint64_t nr;
};

static void flip_header(struct pagehint_header *header, uint64_t pick, uint64_t value)
{
	struct pagehint_extent *extent = &header->extents[value & 3];
	__u64 *const wide[] = {
		&header->host_gen_echo, &header->boot_id, &header->busy_first, &extent->gfn,
		&extent->nr_frames, &extent->table_offset, &header->table_bytes,
		&header->features,
	};
	__u32 *const narrow[] = {
		&header->version, &header->nr_extents, &header->busy_count, &header->active,
		&header->frame_shift,
	};

	if (pick % 2)
		*wide[(pick >> 8) % ARRAY_SIZE(wide)] = value >> (pick >> 16) % 64;
	else
		*narrow[(pick >> 8) % ARRAY_SIZE(narrow)] = value >> (pick >> 16) % 64;
	/* So that it goes on asking */
	if (value % 8)
		header->active = 1;
}

static void *flip(void *context)
{
	struct flipper *flipper = context;
	struct guest *guest = flipper->guest;
	uint64_t random = test.seed;
	bool garbage = false;

	while (!__atomic_load_n(&flipper->stop, __ATOMIC_RELAXED)) {
		uint64_t pick = test_random(&random);

		flipper->nr++;
		/* Not the proofs': they are to be found now and then. */
		if ((pick >> 8) % (FRAMES / 2))
			guest->state[(pick >> 8) % FRAMES] = pick & 1 ? PAGEHINT_UNUSED :
							     pick >> 32;
		if (!flipper->header || flipper->nr % 64)
			continue;
		/* 0.3 s of garbage, 0.3 s in which it asks again and gets a lease */
		if (guest_now() / 300000000 % 2) {
			flip_header(guest->header, pick >> 8, test_random(&random));
			garbage = true;
		} else if (garbage) {
			garbage = false;
			guest_ask(guest, pick | 1);
		} else {
			guest_echo(guest);
		}
	}
	return NULL;
}

static double refusals(struct pair *pair)
{
	static const char *const reasons[] = {
		"magic", "version", "header", "features", "table_size", "extents", "proof",
	};
	double sum = 0;
	char name[80];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		snprintf(name, sizeof(name),
			 "pagehintd_refusals_total{vm=\"bad\",reason=\"%s\"}", reasons[i]);
		sum += figure(&pair->daemon, name);
	}
	return sum;
}

static void flipping(bool header)
{
	double seconds = test.rounds ? test.rounds : test.brief ? 2 : 10;
	double begun = test_now(), start, cpu, ranges, took, most, refused;
	struct flipper flipper = { .header = header };
	struct pair pair;
	unsigned int lines;
	pthread_t thread;
	uint64_t i;

	pair_start(&pair, "0");
	flipper.guest = &pair.bad;
	ranges = figure(&pair.daemon, BAD("pagehintd_ranges_total"));
	cpu = figure(&pair.daemon, BAD("pagehintd_cpu_seconds_total"));
	start = test_now();
	pthread_create(&thread, NULL, flip, &flipper);
	/* More refusals than may be logged, on a busy machine too */
	while (test_now() < start + seconds ||
	       (header && refusals(&pair) < 15 && test_now() < start + 30))
		usleep(10000);
	ranges = figure(&pair.daemon, BAD("pagehintd_ranges_total")) - ranges;
	refused = refusals(&pair);
	/* Last: all that was counted came in that time. */
	took = test_now() - start;
	good_goes_on(&pair);
	__atomic_store_n(&flipper.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);

	/* 10000 a second and 1000 at once, as reclaim.c promises */
	most = 1000 + 10000 * took;
	CHECK(ranges <= most, "%.0f ranges in %.1f s, expected %.0f at most", ranges, took, most);
	CHECK(ranges > 100, "only %.0f ranges: nothing was tested", ranges);
	/* Examined every 100 ms at most, and refused half of the time */
	CHECK(refused <= 5 + 7 * took && (!header || refused >= 15),
	      "%.0f refusals in %.1f s", refused, took);
	for (i = 0; i < EXTRA * GUEST_FRAME_WORDS; i++) {
		if (!CHECK(pair.extra[i] == EXTRA_WORD + i,
			   "memory behind the guest's was touched"))
			break;
	}
	/* 10 a minute since its worker began, and that it is attached to */
	lines = said(&pair, "pagehintd: bad: ");
	CHECK(lines <= 1 + 10 * (1 + (unsigned int)((test_now() - begun) / 60)),
	      "%u lines in the log: %s", lines, daemon_log(&pair.daemon));

	/* It becomes honest: it is served as anybody. */
	memset(pair.bad.header->extents, 0, sizeof(pair.bad.header->extents));
	memset(pair.bad.state, PAGEHINT_STABLE, FRAMES);
	guest_ask(&pair.bad, 103);
	memset(pair.bad.state + 1, PAGEHINT_UNUSED, FRAMES / 2 - 1);
	WAIT_FOR(guest_echo(&pair.bad) &&
		 guest_count(&pair.bad, PAGEHINT_STATE_MASK,
			     PAGEHINT_UNUSED | PAGEHINT_ABSENT) == FRAMES / 2 - 1,
		 "not served after it became honest: %s", daemon_log(&pair.daemon));
	sleep(1);	/* for the figure of the CPU */
	cpu = figure(&pair.daemon, BAD("pagehintd_cpu_seconds_total")) - cpu;
	test_note("seed %lu, a second: %.0f M flips, %.0f ranges, %.1f refusals; CPU %.0f %%",
		  test.seed, flipper.nr / took / 1e6, ranges / took, refused / took,
		  100 * cpu / (test_now() - start));
	pair_end(&pair, EXIT_OK);
}

static void flipping_table(void)
{
	flipping(false);
}

static void flipping_header(void)
{
	flipping(true);
}

/* ------------------------------------------------------------------------
 * Files that change underneath
 */

/* One line says so, nothing is dropped any more, the other VM goes on. */
static void given_up(struct pair *pair, const char *words)
{
	double ranges;

	WAIT_FOR(said(pair, words) == 1, "expected '%s': %s", words, daemon_log(&pair->daemon));
	ranges = figure(&pair->daemon, BAD("pagehintd_ranges_total"));
	good_goes_on(pair);
	usleep(1500000);
	CHECK(figure(&pair->daemon, BAD("pagehintd_ranges_total")) == ranges,
	      "dropped after it was given up");
	CHECK(said(pair, "given up") == 1, "more than one line: %s", daemon_log(&pair->daemon));
	CHECK(figure(&pair->daemon, BAD("pagehintd_worker_restarts_total")) == 0,
	      "the worker is started again and again");
}

static void shrink(int fd, uint64_t bytes)
{
	if (ftruncate(fd, bytes))
		FAIL("ftruncate: %s", strerror(errno));
}

static void table_shrinks(void)
{
	const uint64_t to[] = { 0, PAGEHINT_HEADER_BYTES };
	struct pair pair;
	unsigned int i;

	for (i = 0; i < (test.brief ? 1 : 2) && !test_failed(); i++) {
		pair_start(&pair, "0");
		shrink(pair.bad.table_fd, to[i]);
		given_up(&pair, "the table file");
		pair_end(&pair, EXIT_FILE_LOST);
	}
}

/* The daemon's children, the oldest first: at the start the workers, VM by VM */
static unsigned int find_workers(const struct pair *pair, pid_t *workers)
{
	unsigned int nr = 0;
	char path[64];
	FILE *children;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pair->daemon.pid,
		 (int)pair->daemon.pid);
	children = fopen(path, "r");
	while (children && nr < 4 && fscanf(children, "%d", &workers[nr]) == 1)
		nr++;
	if (children)
		fclose(children);
	return nr;
}

/* It is noticed by the mapping, before anybody looks at the size. */
static void table_unreadable(void)
{
	struct pair pair;
	pid_t workers[4];

	pair_start(&pair, "0");
	/* As a full file system does */
	if (CHECK(find_workers(&pair, workers) == 2, "expected two workers"))
		kill(workers[0], SIGBUS);
	given_up(&pair, "is its file system full?");
	pair_end(&pair, EXIT_FILE_LOST);
}

static void ram_shrinks(void)
{
	struct pair pair;

	pair_start(&pair, "0");
	shrink(pair.bad.ram_fd, PAGEHINT_FRAME_BYTES);
	given_up(&pair, "the RAM file");
	CHECK(!pair.bad.header->host_gen, "the guest is left with a lease");
	pair_end(&pair, EXIT_FILE_LOST);
}

/* The daemon has the files, whatever becomes of their names and modes. */
static void files_replaced(void)
{
	struct pair pair;
	struct stat st;
	int fds[2], i;

	pair_start(&pair, "0");
	if (fchmod(pair.bad.table_fd, 0) || fchmod(pair.bad.ram_fd, 0))
		FAIL("fchmod");
	unlink(pair.bad.table_path);
	unlink(pair.bad.ram_path);
	fds[0] = open(pair.bad.table_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	fds[1] = open(pair.bad.ram_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	shrink(fds[0], pair.bad.table_size);
	shrink(fds[1], FRAMES * PAGEHINT_FRAME_BYTES);
	memset(pair.bad.state, PAGEHINT_STABLE, FRAMES);
	memset(pair.bad.state + 1, PAGEHINT_UNUSED, 1000);
	WAIT_FOR(guest_count(&pair.bad, 0xff, PAGEHINT_UNUSED | PAGEHINT_ABSENT) == 1000,
		 "the VM with the old files is not served: %s", daemon_log(&pair.daemon));
	for (i = 0; i < 2; i++)
		CHECK(!fstat(fds[i], &st) && !st.st_blocks, "the new file was touched");
	pair_end(&pair, EXIT_OK);
	close(fds[0]);
	close(fds[1]);
}

/* A worker that dies as soon as it runs is not started again at full speed. */
static void worker_dies_always(void)
{
	double start = test_now(), restarts;
	pid_t workers[4], good;
	struct pair pair;

	pair_start(&pair, "0");
	if (!CHECK(find_workers(&pair, workers) == 2, "expected two workers"))
		return;
	good = workers[1];
	/* Longer only on a machine too busy for even one restart in that time. */
	while (test_now() < start + (test.brief ? 2.5 : 6) ||
	       (test_now() < start + 30 &&
		figure(&pair.daemon, BAD("pagehintd_worker_restarts_total")) < 1)) {
		unsigned int nr = find_workers(&pair, workers);

		while (nr--) {
			if (workers[nr] != good)
				kill(workers[nr], SIGKILL);
		}
		usleep(2000);
	}
	restarts = figure(&pair.daemon, BAD("pagehintd_worker_restarts_total"));
	CHECK(restarts >= 1 && restarts <= 2 + (test_now() - start), "%.0f restarts in %.1f s",
	      restarts, test_now() - start);
	CHECK(said(&pair, "(signal 9)") <= restarts + 1, "more lines than deaths");
	test_note("%.0f restarts in %.1f s", restarts, test_now() - start);
	pair_end(&pair, EXIT_OK);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "flipping_table", flipping_table },
		{ "flipping_header", flipping_header },
		{ "table_shrinks", table_shrinks },
		{ "table_unreadable", table_unreadable },
		{ "ram_shrinks", ram_shrinks },
		{ "files_replaced", files_replaced },
		{ "worker_dies_always", worker_dies_always },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}

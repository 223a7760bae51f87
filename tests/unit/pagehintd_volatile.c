// SPDX-License-Identifier: GPL-2.0
/*
 * The daemon as a process and volatile frames: what goes by each policy, in which
 * order, what goes on command, and what becomes of frames that a dead worker
 * left. The guest of pagehintd_guest.h reads all that it cached again, and does
 * not run but where a case says so: it is as good as stopped.
 */
#include "pagehintd_process.h"

#define FRAMES		4096	/* 16 MiB */
#define MIB		256	/* frames */
#define ALL_FEATURES	(PAGEHINT_F_UNUSED | PAGEHINT_F_VOLATILE | PAGEHINT_F_TEMPERATURE)
#define VOLATILE_BYTES	VM("pagehintd_volatile_dropped_bytes_total")
#define COMMANDS	VM("pagehintd_drop_commands_total")
#define BY_TEMPERATURE(name, t)	name "{vm=\"test\",temperature=\"" #t "\"}"
#define LEASE_OF(vm)	"pagehintd_lease{vm=\"" vm "\",pagehintd_lease=\"in_force\"}"

static void begin(struct guest *guest, uint64_t boot_id, uint64_t features)
{
	guest_create(guest, FRAMES);
	guest->features = features;
	guest_ask(guest, boot_id);
}

static void start(struct daemon *daemon, struct guest *guest, const char *age,
		  const char *option)
{
	daemon_start(daemon, guest, age, option);
	WAIT_FOR(guest_echo(guest) && figure(daemon, IN_FORCE) == 1, "no lease: %s",
		 daemon_log(daemon));
}

static uint64_t absent(const struct guest *guest, uint64_t first, uint64_t count)
{
	uint64_t i, nr = 0;

	for (i = first; i < first + count; i++)
		nr += (guest->state[i] & PAGEHINT_STATE_MASK) ==
		      (PAGEHINT_VOLATILE | PAGEHINT_ABSENT);
	return nr;
}

static uint64_t answered(const char *answer, const char *name)
{
	const char *at = strstr(answer, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : UINT64_MAX;
}

/* Return: bytes of page cache that went */
static uint64_t drop(const struct daemon *daemon, const char *option)
{
	char answer[1024];
	int code = daemon_ask(daemon, option, answer, sizeof(answer));

	CHECK(code == 0, "%s: exit code %d: %s", option, code, answer);
	CHECK(answered(answer, "dropped_bytes=") == answered(answer, "unused_bytes=") +
	      answered(answer, "volatile_bytes="), "%s: the sum is wrong: %s", option, answer);
	return answered(answer, "volatile_bytes=");
}

static void drop_refused(const struct daemon *daemon, const char *option, int expected,
			 const char *words)
{
	char answer[1024];
	int code = daemon_ask(daemon, option, answer, sizeof(answer));

	CHECK(code == expected && strstr(answer, words),
	      "%s: expected exit code %d and '%s', found %d: %s", option, expected, words, code,
	      answer);
}

#define CACHED	2104	/* pieces begin with a group of 8 */
#define PIECE	480
/* Above 9 MiB, without what is unused and the coldest piece */
#define SOME	(4 * PIECE + 4 * MIB + 2 - 9 * MIB - PIECE)

/* Unused frames first, then the coldest, as far as it takes. */
static void target(void)
{
	struct daemon daemon;
	struct guest guest;
	uint64_t left, i;

	begin(&guest, 1, ALL_FEATURES);
	for (i = 0; i < 4; i++)
		guest_cache(&guest, CACHED + i * PIECE, PIECE, 7, 3 - i);
	for (i = 300; i < 300 + 4 * MIB; i++)
		guest_allocate(&guest, i, 0);
	for (i = 1; i <= MIB; i++)
		guest_allocate(&guest, i, 0);
	for (i = 1; i <= MIB; i++)
		guest_free(&guest, i);
	/* In use are 4 MiB and the proofs, unused is 1, and 4 of 7.5 MiB cache are left. */
	start(&daemon, &guest, "500", "--target-mib=9");
	WAIT_FOR(guest_allocated_bytes(&guest) <= 9 << 20, "the target is not reached");
	/* What it had begun when the target was reached it ends. */
	usleep(300000);
	left = guest_allocated_bytes(&guest);
	CHECK(left > (9 << 20) - 8 * PAGEHINT_FRAME_BYTES, "dropped down to %lu KiB", left >> 10);
	usleep(300000);
	CHECK(guest_allocated_bytes(&guest) == left, "goes on below the target");
	CHECK(!guest_count(&guest, PAGEHINT_STATE_MASK, PAGEHINT_UNUSED),
	      "unused frames are left, volatile ones went");
	CHECK(absent(&guest, CACHED + 3 * PIECE, PIECE) == PIECE, "the coldest are left");
	i = absent(&guest, CACHED + 2 * PIECE, PIECE);
	CHECK(i >= SOME && i < SOME + 8, "%lu of the second coldest went", i);
	CHECK(!absent(&guest, CACHED, 2 * PIECE), "hot ones went");
	CHECK(figure(&daemon, BY_TEMPERATURE("pagehintd_volatile_dropped_frames_total", 0)) ==
	      PIECE, "not counted by temperature");
	CHECK(figure(&daemon, VOLATILE_BYTES) == (PIECE + i) * PAGEHINT_FRAME_BYTES,
	      "not counted");
	WAIT_FOR(figure(&daemon, BY_TEMPERATURE("pagehintd_volatile_frames", 3)) ==
		 PIECE, "what is left is not counted by temperature");
	CHECK(figure(&daemon, VM("pagehintd_ranges_total")) <= 12, "%.0f ranges for a few pieces",
	      figure(&daemon, VM("pagehintd_ranges_total")));
	daemon_stop(&daemon);
	CHECK(guest_read(&guest, CACHED, 4 * PIECE, 7) == PIECE + i, "refaults");
	check_at_rest(&guest);
	guest_destroy(&guest);
}

/* Seconds of the clock by which ages are counted (host/pagehintd/ages.c) */
static double age_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec * 1e9 + now.tv_nsec) / (1 << 30);
}

/*
 * At one temperature those that were volatile first, whatever their place.
 *
 * Return: false if what is new was around for more than a second, and may be of one age
 * with what is old
 */
static bool oldest_go_first(void)
{
	struct daemon daemon;
	struct guest guest;
	double new_since;
	bool in_time;

	begin(&guest, 2, ALL_FEATURES);
	guest_cache(&guest, 3000, 2 * MIB, 7, 1);
	start(&daemon, &guest, "0", NULL);
	WAIT_FOR(figure(&daemon, BY_TEMPERATURE("pagehintd_volatile_frames", 1)) ==
		 2 * MIB, "not seen");
	/* After three seconds it is in class 2 at least; what is new gets no further than
	 * to class 1 within one.
	 */
	usleep(3300000);
	new_since = age_clock();
	guest_cache(&guest, 1000, 2 * MIB, 7, 1);
	usleep(100000);
	CHECK(figure(&daemon, VOLATILE_BYTES) == 0, "dropped though there is no target");
	CHECK(drop(&daemon, "--drop=1") == 1 << 20, "not what was asked for");
	in_time = age_clock() - new_since < 1;
	CHECK(!in_time || (absent(&guest, 3000, 2 * MIB) == MIB && !absent(&guest, 1000, 2 * MIB)),
	      "of the old %lu went, of the new %lu", absent(&guest, 3000, 2 * MIB),
	      absent(&guest, 1000, 2 * MIB));
	/* More than there is of them: the rest, and some of the new */
	CHECK(drop(&daemon, "--drop=1536K:test") == 3 << 19, "not what was asked for");
	in_time = age_clock() - new_since < 1;
	if (in_time) {
		CHECK(absent(&guest, 3000, 2 * MIB) == 2 * MIB, "old ones are left");
		CHECK(guest_read(&guest, 1000, 2 * MIB, 7) == MIB / 2, "of the new went");
	}
	guest_read(&guest, 1000, 2 * MIB, 7);
	guest_read(&guest, 3000, 2 * MIB, 7);
	daemon_stop(&daemon);
	guest_destroy(&guest);
	return in_time;
}

static void oldest_first(void)
{
	unsigned int tries;

	for (tries = 0; tries < 20; tries++)
		if (oldest_go_first())
			return;
	FAIL("the machine stood still for a second each time");
}

static void policies(void)
{
	struct daemon daemon;
	struct guest guest;

	/* all: as soon as it is seen */
	begin(&guest, 3, ALL_FEATURES);
	guest_cache(&guest, 100, 1000, 7, 5);
	start(&daemon, &guest, "1000", "--volatile=all");
	WAIT_FOR(absent(&guest, 100, 1000) == 1000, "not all went");
	CHECK(guest_read(&guest, 100, 1000, 7) == 1000, "read");
	daemon_stop(&daemon);

	/* off: never, and the guest can know */
	guest_cache(&guest, 2100, 1000, 7, 5);
	guest_ask(&guest, 31);
	daemon_start(&daemon, &guest, "0", "--volatile=off");
	WAIT_FOR(guest_echo(&guest) && figure(&daemon, IN_FORCE) == 1, "no lease");
	CHECK(!(guest.header->host_features & (PAGEHINT_F_VOLATILE | PAGEHINT_F_TEMPERATURE)) &&
	      guest.header->host_features & PAGEHINT_F_UNUSED, "features %#llx",
	      guest.header->host_features);
	CHECK(drop(&daemon, "--drop=all") == 0 && !absent(&guest, 0, FRAMES), "dropped");
	daemon_stop(&daemon);

	/* A guest that does not say it has them: what it writes there means nothing. */
	guest.features = PAGEHINT_F_UNUSED;
	guest_ask(&guest, 32);
	start(&daemon, &guest, "0", "--volatile=all");
	CHECK(guest.header->host_features & PAGEHINT_F_VOLATILE, "the host does not have them");
	CHECK(drop(&daemon, "--drop=all") == 0 && !absent(&guest, 0, FRAMES), "dropped");
	daemon_stop(&daemon);
	CHECK(guest_read(&guest, 2100, 1000, 7) == 0, "read");
	guest_destroy(&guest);
}

/* The VM does not run: what is there goes, of any age, in the right order. */
static void command(void)
{
	struct daemon daemon;
	struct guest guest;
	char answer[1024];
	uint64_t i;

	begin(&guest, 4, ALL_FEATURES);
	guest_cache(&guest, 2100, 1000, 7, 5);
	for (i = 104; i < 104 + MIB; i++)
		guest_allocate(&guest, i, 0);
	for (i = 104; i < 104 + MIB; i++)
		guest_free(&guest, i);
	start(&daemon, &guest, "3600000", "--target-mib=10000");
	CHECK(drop(&daemon, "--drop=600K") == 0, "not unused ones first");
	CHECK(guest_count(&guest, PAGEHINT_STATE_MASK, PAGEHINT_UNUSED) == MIB - 152,
	      "not of any age, or too many");
	CHECK(!daemon_ask(&daemon, "--drop=2", answer, sizeof(answer)) &&
	      answered(answer, "unused_bytes=") == (MIB - 152) * 4096 &&
	      answered(answer, "dropped_bytes=") - (2 << 20) < 8 * 4096 &&
	      answered(answer, "memory_bytes=") == guest_allocated_bytes(&guest),
	      "the answer is wrong: %s", answer);
	i = absent(&guest, 0, FRAMES);
	CHECK(drop(&daemon, "--drop=all") == (1000 - i) * 4096 &&
	      absent(&guest, 2100, 1000) == 1000, "something is left");
	CHECK(drop(&daemon, "--drop=1") == 0, "there was no more");
	CHECK(figure(&daemon, COMMANDS) == 4, "commands are not counted");
	CHECK(guest_read(&guest, 2100, 1000, 7) == 1000, "read");

	__atomic_store_n(&guest.header->active, 0, __ATOMIC_SEQ_CST);
	WAIT_FOR(figure(&daemon, IN_FORCE) == 0, "the lease stays");
	drop_refused(&daemon, "--drop=1", 5, "no lease");
	daemon_stop(&daemon);
	drop_refused(&daemon, "--drop=1", 3, "cannot connect");

	guest_ask(&guest, 41);
	daemon_start(&daemon, &guest, "0", "--dry-run");
	WAIT_FOR(figure(&daemon, IN_FORCE) == 1, "no lease");
	drop_refused(&daemon, "--drop=1", 5, "--dry-run");
	CHECK(guest_count(&guest, PAGEHINT_ABSENT, PAGEHINT_ABSENT) == MIB, "dropped");
	daemon_stop(&daemon);
	guest_destroy(&guest);
}

/*
 * One line in two pieces, or in one if it is short; what is answered.
 *
 * Return: seconds from before the connection until all was said
 */
static double say(const struct daemon *daemon, const char *line, char *answer, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t length = 0, half = strlen(line) / 2;
	double start = test_now(), took;
	ssize_t got;

	strcpy(address.sun_path, daemon->control);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		FAIL("connect");
	send(fd, line, half, MSG_NOSIGNAL);
	usleep(20000);
	send(fd, line + half, strlen(line) - half, MSG_NOSIGNAL);
	took = test_now() - start;
	while ((got = read(fd, answer + length, size - 1 - length)) > 0)
		length += got;
	answer[length] = '\0';
	close(fd);
	return took;
}

/*
 * Says a line and judges how the answer begins. The daemon waits 100 ms for the first byte
 * and a second for the rest, and then takes what it has for the line. One that was said so
 * late, and got another answer, is said again. If its beginning dropped the frame, which is
 * put back, that is counted.
 *
 * Return: how often that was so
 */
static unsigned int expect_answer(const struct daemon *daemon, struct guest *guest,
				  const char *line, const char *expected)
{
	unsigned int tries = 20, nr_dropped = 0;
	static char answer[1 << 18];

	for (;;) {
		double took = say(daemon, line, answer, sizeof(answer));
		bool right = !strncmp(answer, expected, strlen(expected)) &&
			     answer[strlen(answer) - 1] == '\n';

		if (right || took < 0.1 || !--tries) {
			CHECK(right, "to '%s', said in %.3f s, expected '%s', found '%.80s'", line,
			      took, expected, answer);
			return nr_dropped;
		}
		if (answered(answer, "dropped_bytes=") == PAGEHINT_FRAME_BYTES) {
			nr_dropped++;
			guest_read(guest, 100, 1, 7);
			guest_make_volatile(guest, 100, 0);
		}
	}
}

static void wrong_commands(void)
{
	static const struct { const char *line, *answer; } lines[] = {
		{ "drop\n", "error: expected 'status'" },
		{ "drop  1\n", "error: expected drop BYTES" },
		{ "drop -1\n", "error: expected drop BYTES" },
		{ "drop 0\n", "error: expected drop BYTES" },
		{ "drop 99999999999999999999\n", "error: expected drop BYTES" },
		{ "drop 4096x\n", "error: expected drop BYTES" },
		{ "drop allx\n", "error: expected drop BYTES" },
		{ "drop 4096 tes\n", "error: no VM is called 'tes'" },
		{ "drop 4096 test2\n", "error: no VM is called 'test2'" },
		{ "status x\n", "error: expected 'status'" },
		{ "reset\n", "error: expected 'status'" },
		{ "status\ndrop all\n", "# TYPE" },
		{ "drop 1 test\n", "dropped_bytes=4096 unused_bytes=0 volatile_bytes=4096" },
		{ "\n", "# TYPE" },
		{ "", "# TYPE" },	/* silence */
	};
	static char longest[1000];
	unsigned int i, nr_late = 0;
	struct daemon daemon;
	struct guest guest;

	begin(&guest, 5, ALL_FEATURES);
	guest_cache(&guest, 100, 1, 7, 0);
	start(&daemon, &guest, "0", NULL);
	for (i = 0; i < ARRAY_SIZE(lines); i++)
		nr_late += expect_answer(&daemon, &guest, lines[i].line, lines[i].answer);
	memset(longest, 'x', sizeof(longest) - 1);
	expect_answer(&daemon, &guest, longest, "error: expected a line of less than");
	CHECK(figure(&daemon, DROPPED) == 1 + nr_late && figure(&daemon, RESTARTS) == 0,
	      "%.0f frames were dropped", figure(&daemon, DROPPED));

	drop_refused(&daemon, "--drop=", 2, "a value after");
	drop_refused(&daemon, "--drop=x", 2, "expected --drop=SIZE");
	drop_refused(&daemon, "--drop=0", 2, "expected --drop=SIZE");
	drop_refused(&daemon, "--drop=1X", 2, "expected --drop=SIZE");
	drop_refused(&daemon, "--drop=1MB", 2, "expected --drop=SIZE");
	drop_refused(&daemon, "--drop=-1", 2, "expected --drop=SIZE");
	drop_refused(&daemon, "--drop=17592186044416", 2, "expected --drop=SIZE");
	drop_refused(&daemon, "--drop=1:", 2, "the name of a VM");
	drop_refused(&daemon, "--drop=1:none", 5, "no VM is called 'none'");
	daemon_stop(&daemon);
	guest_destroy(&guest);
}

/* A daemon that says its state to the first @nr_late clients before they speak */
static void impatient(int listener, unsigned int nr_late)
{
	static const char state[] = "# HELP nothing was heard\n# EOF\n";
	static const char figures[] = "dropped_bytes=4096 unused_bytes=0\n";
	char line[256];

	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (nr_late) {
			send(fd, state, strlen(state), MSG_NOSIGNAL);
			nr_late--;
		} else if (read(fd, line, sizeof(line)) > 0) {
			send(fd, figures, strlen(figures), MSG_NOSIGNAL);
		}
		close(fd);
	}
}

/* pagehintd --drop=1, where so many tries come too late */
static int drop_late(unsigned int nr_late, char *answer, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct daemon daemon;
	int listener, status;
	pid_t pid;

	snprintf(daemon.control, sizeof(daemon.control), "/tmp/pagehintd-late.%d", getpid());
	strcpy(address.sun_path, daemon.control);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 16))
		return -1;
	pid = fork();
	if (!pid)
		impatient(listener, nr_late);
	close(listener);
	status = daemon_ask(&daemon, "--drop=1", answer, size);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(daemon.control);
	return status;
}

/* A client that the scheduler keeps from speaking is not told something else. */
static void command_too_late(void)
{
	char answer[2048];
	unsigned int late;

	/* It speaks before the daemon has closed the connection, or after that. */
	for (late = 0; late < 2; late++) {
		if (late)
			setenv("PAGEHINTD_TEST_LATE_MS", "50", 1);
		CHECK(!drop_late(2, answer, sizeof(answer)) &&
		      !strncmp(answer, "dropped_bytes=4096", 18), "not asked again: %s", answer);
		CHECK(drop_late(1000, answer, sizeof(answer)) == 5 &&
		      strstr(answer, "nothing was dropped"), "no end, or no word: %s", answer);
	}
	unsetenv("PAGEHINTD_TEST_LATE_MS");
}

/*
 * A worker that ends between claim and drop, or after it. What it had claimed is
 * given back, and must count as gone; but not what the guest freed meanwhile.
 */
static void claims_left(const char *option, bool dropped)
{
	struct daemon daemon;
	struct guest guest;
	uint64_t i;

	begin(&guest, 6, ALL_FEATURES);
	guest_cache(&guest, 1024, 512, 7, 9);
	daemon_start_more(&daemon, &guest, "0", "--volatile=all", option);
	WAIT_FOR(__atomic_load_n(&guest.header->host_gen, __ATOMIC_ACQUIRE), "no offer");
	/* Its supervisor would replace the stalled worker before a slow test has looked. */
	kill(daemon.pid, SIGSTOP);
	/* Once: the new worker gets nothing. */
	CHECK(guest_echo(&guest), "the offer is not for this guest");
	WAIT_FOR(guest_count(&guest, PAGEHINT_STATE_MASK, PAGEHINT_VOLATILE | PAGEHINT_BUSY)
		 == 512, "nothing is claimed");
	/* Between claim and drop the worker, too, may be kept from running. */
	WAIT_FOR(guest_allocated_bytes(&guest) ==
		 (2 + (dropped ? 0 : 512)) * PAGEHINT_FRAME_BYTES,
		 "%s: %lu bytes are left", option, guest_allocated_bytes(&guest));
	for (i = 1024; i < 1024 + 100; i++)
		guest_free_volatile(&guest, i);
	kill(daemon.pid, SIGCONT);
	WAIT_FOR(figure(&daemon, RECOVERED) == 512, "%.0f frames are recovered",
		 figure(&daemon, RECOVERED));
	CHECK(guest_count(&guest, 0xff, PAGEHINT_UNUSED) == 100, "freed frames are not unused");
	CHECK(guest_count(&guest, 0xff, PAGEHINT_VOLATILE | PAGEHINT_ABSENT | 0x90) == 412,
	      "frames do not count as gone");
	daemon_stop(&daemon);
	check_at_rest(&guest);
	CHECK(guest_read(&guest, 1124, 412, 7) == 412, "what may be gone is used");
	guest_destroy(&guest);
}

static void worker_hangs_claimed(void)
{
	claims_left("--test-stall=claimed:1", false);
}

static void worker_hangs_dropped(void)
{
	claims_left("--test-stall=dropped:1", true);
}

/* ... during a command: who waits for it is told, and the next one works. */
static void worker_dies_in_command(void)
{
	struct daemon daemon;
	struct guest guest;

	begin(&guest, 7, ALL_FEATURES);
	guest_cache(&guest, 1024, 1024, 7, 0);
	start(&daemon, &guest, "0", "--test-die=claimed:2");
	drop_refused(&daemon, "--drop=all", 5, "the worker of the VM ended");
	CHECK(absent(&guest, 0, FRAMES) >= 512, "the first range did not go");
	WAIT_FOR(figure(&daemon, RESTARTS) == 1 && figure(&daemon, RECOVERED) == 512,
		 "not recovered");
	WAIT_FOR(guest_echo(&guest) && figure(&daemon, IN_FORCE) == 1, "no new lease");
	CHECK(absent(&guest, 0, FRAMES) == 1024, "claimed frames do not count as gone");
	guest_read(&guest, 1024, 1024, 7);
	guest_cache(&guest, 3000, 100, 7, 0);
	usleep(200000);
	CHECK(!absent(&guest, 0, FRAMES), "the new worker goes on with the old command");
	CHECK(drop(&daemon, "--drop=all") == 100 * 4096, "the next command");
	daemon_stop(&daemon);
	guest_destroy(&guest);
}

/* Two VMs: the command names one, the other keeps what it has. */
static void two_vms(void)
{
	struct guest first, second;
	struct daemon daemon;
	char pid[32];

	begin(&first, 8, ALL_FEATURES);
	begin(&second, 9, ALL_FEATURES);
	guest_cache(&first, 100, 500, 7, 0);
	guest_cache(&second, 100, 500, 7, 0);
	snprintf(pid, sizeof(pid), "--pid=%d", (int)getpid());
	snprintf(daemon.control, sizeof(daemon.control), "%.89s.control", first.ram_path);
	daemon_start_args(&daemon, (const char *const[]) {
		program(), "--vm", "first", "--ram", first.ram_path, "--table",
		first.table_path, first.map[0], first.map[1], pid, "--reset=destroy",
		"--vm", "the second", "--ram", second.ram_path, "--table",
		second.table_path, second.map[0], second.map[1], pid, "--reset=destroy",
		"--control", daemon.control, NULL });
	WAIT_FOR(guest_echo(&first) && guest_echo(&second) &&
		 figure(&daemon, LEASE_OF("first")) == 1 &&
		 figure(&daemon, LEASE_OF("the second")) == 1,
		 "no leases");
	drop_refused(&daemon, "--drop=all", 5, "the name of one of 2 VMs");
	drop_refused(&daemon, "--drop=all:second", 5, "no VM is called");
	CHECK(drop(&daemon, "--drop=all:the second") == 500 * 4096, "not what is there");
	CHECK(!absent(&first, 0, FRAMES) && absent(&second, 0, FRAMES) == 500, "of the wrong VM");
	daemon_stop(&daemon);
	guest_destroy(&first);
	guest_destroy(&second);
}

/* All goes as fast as it can while threads read, write and free what is cached. */
static void under_load(void)
{
	double seconds = test.brief ? 2 : 10;
	struct daemon daemon;
	struct guest guest;

	begin(&guest, 10, ALL_FEATURES);
	guest.caches = true;
	guest_fill_and_free(&guest);
	guest_run(&guest, 2);
	daemon_start(&daemon, &guest, "0", "--volatile=all");
	WAIT_FOR(figure(&daemon, VOLATILE_BYTES) > 0, "nothing goes: %s", daemon_log(&daemon));
	usleep(seconds * 1e6);
	WAIT_FOR(__atomic_load_n(&guest.nr_discarded, __ATOMIC_RELAXED) > 100,
		 "only %lu discards", guest.nr_discarded);
	daemon_stop(&daemon);
	guest_halt(&guest);
	check_at_rest(&guest);
	test_note("%lu read again, %lu of them from the disk; longest wait %.3f ms",
		  guest.nr_kept + guest.nr_discarded, guest.nr_discarded, guest.max_wait_ns / 1e6);
	guest_destroy(&guest);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "target", target },
		{ "oldest_first", oldest_first },
		{ "policies", policies },
		{ "command", command },
		{ "wrong_commands", wrong_commands },
		{ "command_too_late", command_too_late },
		{ "worker_hangs_claimed", worker_hangs_claimed },
		{ "worker_hangs_dropped", worker_hangs_dropped },
		{ "worker_dies_in_command", worker_dies_in_command },
		{ "two_vms", two_vms },
		{ "under_load", under_load },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}

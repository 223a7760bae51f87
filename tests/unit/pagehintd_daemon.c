// SPDX-License-Identifier: GPL-2.0
/*
 * The daemon as a process, in its test build, with a guest made of threads
 * (pagehintd_guest.h) that checks every frame's content: attaching, refusing,
 * and what happens when workers die or hang at the worst points.
 *
 * The guest's process is this one, so --pid and --reset=destroy.
 */
#include <sys/file.h>
#include <sys/syscall.h>

#include "pagehintd_process.h"

#define FRAMES		4096

/* Memory comes back and what is in use is kept; a stop ends the lease. */
static void normal(void)
{
	struct daemon daemon;
	struct guest guest;

	guest_create(&guest, FRAMES);
	guest_ask(&guest, 1);
	guest_fill_and_free(&guest);
	guest_run(&guest, 1);
	daemon_start(&daemon, &guest, "20", NULL);
	WAIT_FOR(figure(&daemon, DROPPED) > FRAMES, "too little is dropped");
	CHECK(figure(&daemon, IN_FORCE) == 1, "no lease");
	CHECK(figure(&daemon, VM("pagehintd_extents_confirmed")) == 2, "extents");
	CHECK(figure(&daemon, RESTARTS) == 0, "the worker died");
	daemon_stop(&daemon);
	CHECK(!guest.header->host_gen, "host_gen after the stop");
	check_at_rest(&guest);
	guest_halt(&guest);
	guest_destroy(&guest);
}

/* Nothing before the echo, nothing before the age. */
static void echo_and_age(void)
{
	struct daemon daemon;
	struct guest guest;
	double echoed, seen;

	guest_create(&guest, FRAMES);
	guest_ask(&guest, 2);
	guest_fill_and_free(&guest);
	daemon_start(&daemon, &guest, "3000", NULL);
	WAIT_FOR(__atomic_load_n(&guest.header->host_gen, __ATOMIC_ACQUIRE), "no offer");
	usleep(200000);
	CHECK(figure(&daemon, IN_FORCE) == 0, "a lease without an echo");
	echoed = test_now();
	guest_echo(&guest);
	WAIT_FOR(figure(&daemon, IN_FORCE) == 1, "no lease");
	/* Without a lease frames do not age: from before the echo it can only be longer. */
	WAIT_FOR(figure(&daemon, DROPPED) > 0, "nothing is dropped");
	seen = test_now();
	CHECK(seen - echoed >= 3, "dropped before the age: after %.3f s", seen - echoed);
	WAIT_FOR(figure(&daemon, DROPPED) == FRAMES - 2, "not all is dropped");
	CHECK(guest_allocated_bytes(&guest) == 2 * PAGEHINT_FRAME_BYTES, "%llu bytes are left",
	      (unsigned long long)guest_allocated_bytes(&guest));
	daemon_stop(&daemon);
	guest_destroy(&guest);
}

/* A worker that dies or hangs at a point; the guest works on. */
static void worker_lost(const char *option, bool claims_left)
{
	uint64_t allocated;
	struct daemon daemon;
	struct guest guest;
	double dropped;

	guest_create(&guest, FRAMES);
	guest_ask(&guest, 3);
	guest_fill_and_free(&guest);
	guest_run(&guest, 2);
	daemon_start(&daemon, &guest, "0", option);
	WAIT_FOR(figure(&daemon, RESTARTS) == 1, "%s: no new worker", option);
	WAIT_FOR(figure(&daemon, IN_FORCE) == 1, "%s: the new worker has no lease", option);
	dropped = figure(&daemon, DROPPED);
	allocated = __atomic_load_n(&guest.nr_allocated, __ATOMIC_RELAXED);
	WAIT_FOR(figure(&daemon, DROPPED) > dropped + FRAMES, "%s: drops no more", option);
	WAIT_FOR(__atomic_load_n(&guest.nr_allocated, __ATOMIC_RELAXED) > allocated + FRAMES,
		 "%s: the guest hangs", option);
	CHECK((figure(&daemon, RECOVERED) > 0) == claims_left, "%s: %.0f frames recovered",
	      option, figure(&daemon, RECOVERED));
	daemon_stop(&daemon);
	check_at_rest(&guest);
	guest_halt(&guest);
	test_note("longest wait of the guest %.0f ms", guest.max_wait_ns / 1e6);
	guest_destroy(&guest);
}

static void worker_dies_claimed(void)
{
	worker_lost("--test-die=claimed:5", true);
}

static void worker_dies_dropped(void)
{
	worker_lost("--test-die=dropped:5", true);
}

static void worker_hangs_claimed(void)
{
	worker_lost("--test-stall=claimed:5", true);
}

static void worker_hangs_dropped(void)
{
	worker_lost("--test-stall=dropped:5", true);
}

/* A restart is not acknowledged: a guest that does not run gives it nothing. */
static void restart_needs_echo(void)
{
	struct daemon daemon;
	struct guest guest;
	uint64_t gen;

	guest_create(&guest, FRAMES);
	guest_ask(&guest, 4);
	guest_fill_and_free(&guest);
	daemon_start(&daemon, &guest, "0", "--test-die=claimed:2");
	WAIT_FOR(guest_echo(&guest), "no offer");
	gen = guest.header->host_gen;
	WAIT_FOR(figure(&daemon, RESTARTS) == 1, "no new worker");
	WAIT_FOR(guest.header->host_gen && guest.header->host_gen != gen, "no new host_gen");
	usleep(500000);
	CHECK(figure(&daemon, IN_FORCE) == 0 &&
	      figure(&daemon, DROPPED) <= PAGEHINT_MAX_BUSY, "dropped unacknowledged");
	check_at_rest(&guest);
	guest_echo(&guest);
	WAIT_FOR(figure(&daemon, DROPPED) == FRAMES - 2, "not all is dropped");
	daemon_stop(&daemon);
	guest_destroy(&guest);
}

/* The whole daemon is killed with claims left; the next one gives them back. */
static void daemon_killed(void)
{
	struct daemon daemon;
	struct guest guest;
	unsigned int i;

	guest_create(&guest, FRAMES);
	guest_ask(&guest, 5);
	for (i = 0; i < 100; i++)
		guest.state[1000 + i] = PAGEHINT_UNUSED | PAGEHINT_BUSY;
	guest.header->host_magic = PAGEHINT_HOST_MAGIC;
	guest.header->host_version = PAGEHINT_VERSION;
	guest.header->busy_first = 1000;
	guest.header->busy_count = 100;
	/* With an age that nothing reaches here: what is unused is left to the next daemon. */
	daemon_start(&daemon, &guest, "3600000", NULL);
	WAIT_FOR(figure(&daemon, RECOVERED) == 100, "not recovered");
	check_at_rest(&guest);
	/* Its supervisor alone: the worker follows, in order. */
	WAIT_FOR(guest_echo(&guest), "no offer");
	kill(daemon.pid, SIGKILL);
	daemon_wait(&daemon);
	daemon_forget(&daemon);
	WAIT_FOR(!__atomic_load_n(&guest.header->host_gen, __ATOMIC_ACQUIRE),
		 "an orphaned worker goes on");
	unlink(daemon.control);
	WAIT_FOR(!flock(guest.table_fd, LOCK_EX | LOCK_NB) &&
		 !flock(guest.ram_fd, LOCK_EX | LOCK_NB), "an orphaned worker keeps its locks");
	flock(guest.table_fd, LOCK_UN);
	flock(guest.ram_fd, LOCK_UN);
	daemon_start(&daemon, &guest, "0", NULL);
	WAIT_FOR(guest_echo(&guest) && figure(&daemon, DROPPED) > 0,
		 "no new daemon in its place: %s", daemon_log(&daemon));
	daemon_stop(&daemon);
	guest_destroy(&guest);
}

static void two_daemons(void)
{
	struct daemon first, second;
	struct guest guest;
	int code;

	guest_create(&guest, FRAMES);
	daemon_start(&first, &guest, "0", NULL);
	WAIT_FOR(figure(&first, IN_FORCE) == 0, "the first does not start");
	daemon_start(&second, &guest, "0", NULL);
	code = daemon_wait(&second);
	CHECK(code == 4 && daemon_said(&second, "another pagehintd"),
	      "the second ended with %d: %s", code, daemon_log(&second));
	daemon_forget(&second);
	daemon_stop(&first);
	guest_destroy(&guest);
}

/*
 * The VM's process ends: the table is cleared, unless another process has it by
 * then; the daemon has no more to do.
 */
static void vm_end(bool replaced)
{
	struct daemon daemon;
	struct guest guest;
	char pid[32];
	pid_t child;
	int code;

	guest_create(&guest, FRAMES);
	guest_ask(&guest, 6);
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	memset(guest.state, PAGEHINT_UNUSED, FRAMES);
	snprintf(pid, sizeof(pid), "--pid=%d", (int)child);
	snprintf(daemon.control, sizeof(daemon.control), "%.89s.control", guest.ram_path);
	daemon_start_args(&daemon, (const char *const[]) {
		program(), "--vm", "test", "--ram", guest.ram_path, "--table",
		guest.table_path, guest.map[0], guest.map[1], pid, "--reset=destroy",
		"--control", daemon.control, NULL });
	WAIT_FOR(guest_echo(&guest) && figure(&daemon, IN_FORCE) == 1, "no lease");
	if (!replaced)
		guest_unmap_table(&guest);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	code = daemon_wait(&daemon);
	if (!replaced)
		guest_map_table(&guest);
	CHECK(code == 0, "ended with %d: %s", code, daemon_log(&daemon));
	CHECK(guest_count(&guest, 0xff, 0) == (replaced ? 0 : FRAMES),
	      "the table was %s", replaced ? "cleared" : "not cleared");
	CHECK(guest.header->active == replaced && !guest.header->magic == !replaced,
	      "the header was %s", replaced ? "cleared" : "not cleared");
	daemon_forget(&daemon);
	guest_destroy(&guest);
}

static void vm_ends(void)
{
	vm_end(false);
}

static void vm_replaced(void)
{
	vm_end(true);
}

static void guest_refused(void)
{
	struct daemon daemon;
	struct guest guest;

	guest_create(&guest, FRAMES);
	guest_ask(&guest, 7);
	guest_fill_and_free(&guest);
	guest.header->version = 99;
	daemon_start(&daemon, &guest, "0", NULL);
	WAIT_FOR(figure(&daemon, "pagehintd_refusals_total{vm=\"test\",reason=\"version\"}") == 1,
		 "no refusal");
	usleep(300000);
	CHECK(figure(&daemon, "pagehintd_refusals_total{vm=\"test\",reason=\"version\"}") == 1,
	      "refused more than once");
	CHECK(daemon_said(&daemon, "version 99") && daemon_said(&daemon, "version 1"),
	      "both versions are not named");
	CHECK(!guest_echo(&guest), "an offer all the same");
	/* Another one comes, with a wrong proof; then the right one. */
	guest.header->version = PAGEHINT_VERSION;
	guest_memory(&guest, 0)[2]++;
	guest_memory(&guest, FRAMES / 2)[2]++;
	guest.header->boot_id++;
	WAIT_FOR(figure(&daemon, "pagehintd_refusals_total{vm=\"test\",reason=\"proof\"}") == 1,
		 "no refusal of the proof");
	CHECK(!guest_echo(&guest), "an offer all the same");
	guest_ask(&guest, 71);
	WAIT_FOR(guest_echo(&guest) && figure(&daemon, DROPPED) == FRAMES - 2,
		 "the good guest gets nothing");
	/* It leaves and comes back as another. */
	__atomic_store_n(&guest.header->active, 0, __ATOMIC_SEQ_CST);
	WAIT_FOR(figure(&daemon, IN_FORCE) == 0 && !guest.header->host_gen, "the lease stays");
	daemon_stop(&daemon);
	guest_destroy(&guest);
}

static void table_truncated(void)
{
	struct daemon daemon;
	struct guest guest;
	int code;

	guest_create(&guest, FRAMES);
	guest_ask(&guest, 8);
	daemon_start(&daemon, &guest, "0", NULL);
	WAIT_FOR(guest_echo(&guest) && figure(&daemon, IN_FORCE) == 1, "no lease");
	if (ftruncate(guest.table_fd, PAGEHINT_HEADER_BYTES))
		FAIL("ftruncate");
	code = daemon_wait(&daemon);
	CHECK(code == 7 && daemon_said(&daemon, "shrank"), "ended with %d: %s", code,
	      daemon_log(&daemon));
	daemon_forget(&daemon);
	guest_destroy(&guest);
}

/* The frames are counted again soon, though the worker got no CPU while it counted them. */
static void stalled_look(void)
{
	struct daemon daemon;
	struct guest guest;
	double freed;

	guest_create(&guest, FRAMES);
	guest_ask(&guest, 11);
	setenv("PAGEHINTD_TEST_LOOK_MS", "1000", 1);
	daemon_start(&daemon, &guest, "3600000", NULL);
	WAIT_FOR(guest_echo(&guest) && figure(&daemon, IN_FORCE) == 1, "no lease");
	guest_fill_and_free(&guest);
	freed = test_now();
	WAIT_FOR(figure(&daemon, UNUSED) == FRAMES - 2, "not counted again");
	/* A part of a hundred of the time that it waited would be 100 seconds. */
	CHECK(test_now() - freed < 40, "counted again after %.0f seconds", test_now() - freed);
	daemon_stop(&daemon);
	unsetenv("PAGEHINTD_TEST_LOOK_MS");
	guest_destroy(&guest);
}

static void dry_run_and_target(void)
{
	static struct pagehint_header before;
	struct daemon daemon;
	struct guest guest;

	guest_create(&guest, FRAMES);
	guest_ask(&guest, 10);
	guest_fill_and_free(&guest);
	before = *guest.header;
	daemon_start(&daemon, &guest, "0", "--dry-run");
	WAIT_FOR(figure(&daemon, VM("pagehintd_would_drop_frames")) == FRAMES - 2,
		 "not counted");
	daemon_stop(&daemon);
	CHECK(!memcmp(&before, guest.header, sizeof(before)), "a dry run wrote to the header");
	CHECK(guest_count(&guest, 0xff, PAGEHINT_UNUSED) == FRAMES - 2, "a dry run dropped");

	/* 4096 frames are 16 MiB. */
	daemon_start(&daemon, &guest, "0", "--target-mib=10");
	WAIT_FOR(guest_echo(&guest) &&
		 figure(&daemon, "pagehintd_pause{vm=\"test\",pagehintd_pause=\"target\"}") == 1,
		 "no target");
	CHECK(guest_allocated_bytes(&guest) >> 20 <= 10 &&
	      guest_allocated_bytes(&guest) >> 20 >= 7, "%llu MiB are left",
	      (unsigned long long)guest_allocated_bytes(&guest) >> 20);
	daemon_stop(&daemon);
	guest_destroy(&guest);
}

static void expect_exit(int expected, const char *words, const char *const *arguments)
{
	struct daemon daemon;
	int code;

	daemon_start_args(&daemon, arguments);
	code = daemon_wait(&daemon);
	CHECK(code == expected && daemon_said(&daemon, words),
	      "expected exit code %d and '%s', found %d: %s", expected, words, code,
	      daemon_log(&daemon));
	daemon_forget(&daemon);
}

#define EXPECT_EXIT(expected, words, ...) \
	expect_exit(expected, words, (const char *const[]) { program(), __VA_ARGS__, NULL })

static void options(void)
{
	struct guest guest;
	char pid[32], bad_map[128];

	guest_create(&guest, FRAMES);
	snprintf(pid, sizeof(pid), "--pid=%d", (int)getpid());
	snprintf(bad_map, sizeof(bad_map), "--map=0:%d:%s:4096", FRAMES, guest.ram_path);

	EXPECT_EXIT(0, "usage:", "--help");
	EXPECT_EXIT(0, "contract version 1", "--version");
	EXPECT_EXIT(2, "no VM", "--control", "/dev/shm/x");
	EXPECT_EXIT(2, "--vm NAME first", "--ram", "x");
	EXPECT_EXIT(2, "after --vm", "--vm");
	EXPECT_EXIT(2, "unknown option --wrong", "--vm", "a", "--wrong", "b");
	EXPECT_EXIT(2, "no RAM file", "--vm", "a", "--table", "b");
	EXPECT_EXIT(2, "no hint table", "--vm", "a", "--ram", "b");
	EXPECT_EXIT(2, "a number from 0", "--vm", "a", "--unused-age=-1");
	EXPECT_EXIT(2, "a number from 1", "--vm", "a", "--pid", "0");
	EXPECT_EXIT(2, "two VMs", "--vm", "a", "--vm", "a");
	EXPECT_EXIT(2, "destroy", "--vm", "a", "--reset=maybe");
	EXPECT_EXIT(2, "--status needs", "--status");
	EXPECT_EXIT(3, "cannot connect", "--status", "--control", "/dev/shm/no-such-socket");
	EXPECT_EXIT(5, "no way to learn", "--vm", "a", "--ram", "b", "--table", "c");
	EXPECT_EXIT(5, "no way to learn", "--vm", "a", "--ram", "b", "--table", "c",
		    "--reset=qmp");
	EXPECT_EXIT(5, "no way to learn", "--vm", "a", "--ram", "b", "--table", "c",
		    "--reset=destroy");
	EXPECT_EXIT(2, "--map", "--vm", "a", "--ram", "b", "--table", "c",
		    "--reset=destroy", pid);
	EXPECT_EXIT(3, "No such file", "--vm", "a", "--ram", "/dev/shm/none", "--table",
		    guest.table_path, "--reset=destroy", pid, guest.map[0]);
	EXPECT_EXIT(3, "expected a file", "--vm", "a", "--ram", guest.ram_path, "--table",
		    "/dev/null", "--reset=destroy", pid, guest.map[0]);
	EXPECT_EXIT(2, "beyond the end", "--vm", "a", "--ram", guest.ram_path, "--table",
		    guest.table_path, "--reset=destroy", pid, bad_map);
	EXPECT_EXIT(2, "overlaps", "--vm", "a", "--ram", guest.ram_path, "--table",
		    guest.table_path, "--reset=destroy", pid, guest.map[0], guest.map[0]);
	EXPECT_EXIT(2, "GFN:COUNT:FILE:OFFSET", "--vm", "a", "--ram", guest.ram_path, "--table",
		    guest.table_path, "--reset=destroy", pid, "--map=1:2");
	EXPECT_EXIT(2, "not one of the RAM files", "--vm", "a", "--ram", guest.ram_path,
		    "--table", guest.table_path, "--reset=destroy", pid, "--map=1:2:/x:0");
	EXPECT_EXIT(5, "does not map", "--vm", "a", "--ram", guest.ram_path, "--table",
		    guest.table_path, "--reset=destroy", "--pid=1", guest.map[0]);
	if (ftruncate(guest.table_fd, 12288))
		FAIL("ftruncate");
	EXPECT_EXIT(3, "2^n bytes", "--vm", "a", "--ram", guest.ram_path, "--table",
		    guest.table_path, "--reset=destroy", pid, guest.map[0]);
	if (ftruncate(guest.table_fd, guest.table_size))
		FAIL("ftruncate");
	CHECK(guest_count(&guest, 0xff, 0) == FRAMES && !guest.header->host_magic &&
	      !guest_allocated_bytes(&guest), "something was touched");
	guest_destroy(&guest);
}

/* The sanitizer makes mlock() do nothing. */
static int lock_page(void *page)
{
	return syscall(SYS_mlock, page, 4096);
}

static void unlock_page(void *page)
{
	syscall(SYS_munlock, page, 4096);
}

/* Locked memory: not attached to */
static void pinned(void)
{
	struct daemon daemon;
	struct guest guest;
	int code;

	guest_create(&guest, FRAMES);
	if (lock_page(guest.header)) {
		FAIL("mlock: %s", strerror(errno));
	} else {
		daemon_start(&daemon, &guest, "0", NULL);
		code = daemon_wait(&daemon);
		CHECK(code == 5 && daemon_said(&daemon, "VmLck"), "ended with %d: %s", code,
		      daemon_log(&daemon));
		daemon_forget(&daemon);
	}
	unlock_page(guest.header);

	/* It comes later: nothing more is dropped. */
	guest_ask(&guest, 11);
	daemon_start(&daemon, &guest, "0", NULL);
	WAIT_FOR(guest_echo(&guest) && figure(&daemon, IN_FORCE) == 1, "no lease");
	lock_page(guest.header);
	WAIT_FOR(figure(&daemon, "pagehintd_pause{vm=\"test\",pagehintd_pause=\"pinned\"}") == 1,
		 "not seen");
	memset(guest.state + 1, PAGEHINT_UNUSED, 1000);
	usleep(500000);
	CHECK(figure(&daemon, DROPPED) == 0, "dropped from a pinned VM");
	unlock_page(guest.header);
	WAIT_FOR(figure(&daemon, DROPPED) == 1000, "does not go on");
	daemon_stop(&daemon);
	guest_destroy(&guest);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "options", options },
		{ "normal", normal },
		{ "echo_and_age", echo_and_age },
		{ "worker_dies_claimed", worker_dies_claimed },
		{ "worker_dies_dropped", worker_dies_dropped },
		{ "worker_hangs_claimed", worker_hangs_claimed },
		{ "worker_hangs_dropped", worker_hangs_dropped },
		{ "restart_needs_echo", restart_needs_echo },
		{ "daemon_killed", daemon_killed },
		{ "two_daemons", two_daemons },
		{ "vm_ends", vm_ends },
		{ "vm_replaced", vm_replaced },
		{ "guest_refused", guest_refused },
		{ "table_truncated", table_truncated },
		{ "stalled_look", stalled_look },
		{ "dry_run_and_target", dry_run_and_target },
		{ "pinned", pinned },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}

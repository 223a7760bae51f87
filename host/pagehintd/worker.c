// SPDX-License-Identifier: GPL-2.0
/*
 * The worker process of one VM: one loop that waits, deals with what QEMU and
 * the supervisor say, sees to the lease and reclaims frames. All of it in one
 * thread: while anything else is dealt with, nothing is being dropped.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "qemu.h"
#include "worker.h"

#define LEASE_POLL_NS		(20 * NSEC_PER_MSEC)
#define LEASE_RETRY_NS		(100 * NSEC_PER_MSEC)
#define MAP_RETRY_NS		(10 * NSEC_PER_SEC)
/* What the guest causes takes such a part of one CPU at most; see also scan.c. */
#define LEASE_CPU_PART		20
#define HISTOGRAM_CPU_PART	100
#define LOGS_PER_MINUTE		10

static const char *const leaving_names[] = {
	[PAGEHINT_LEAVING_NOT] = "no reason given",
	[PAGEHINT_LEAVING_UNLOAD] = "module unloaded",
	[PAGEHINT_LEAVING_OFF] = "switched off",
	[PAGEHINT_LEAVING_REBOOT] = "reboot",
	[PAGEHINT_LEAVING_PANIC] = "panic",
	[PAGEHINT_LEAVING_SLEEP] = "suspend or hibernation",
};

/* What a signal handler has to say, written down before. */
static const struct table *signal_table;
static char text_shrank[512], text_unreadable[512];

/*
 * Only the mapped table can do this: somebody truncated its file, or its file
 * system has no room for a page that was never written. One write, as log_info().
 */
static void table_lost(int signal)
{
	const char *text = table_intact(signal_table) ? text_unreadable : text_shrank;
	ssize_t ignored;

	(void)signal;
	ignored = write(STDERR_FILENO, text, strlen(text));
	(void)ignored;
	_exit(EXIT_FILE_LOST);
}

static void watch_for_table_lost(const struct vm *vm, const struct table *table)
{
	struct sigaction on_bus = { .sa_handler = table_lost };

	snprintf(text_shrank, sizeof(text_shrank),
		 "pagehintd: %s: the table file %.300s shrank while in use; the VM is given up\n",
		 vm->name, vm->table_path);
	snprintf(text_unreadable, sizeof(text_unreadable),
		 "pagehintd: %s: the table file %.300s cannot be used (SIGBUS): is its file system full? The VM is given up\n",
		 vm->name, vm->table_path);
	signal_table = table;
	sigaction(SIGBUS, &on_bus, NULL);
}

/* A guest chooses how often it asks: it must not fill the host's log. */
static bool may_log(struct worker *worker)
{
	uint64_t now = now_ns();

	if (now - worker->log_window_ns > 60 * NSEC_PER_SEC) {
		worker->log_window_ns = now;
		worker->nr_logged = 0;
	}
	return worker->nr_logged++ < LOGS_PER_MINUTE;
}

static void heartbeat(void *context)
{
	struct worker *worker = context;

	shared_add(worker->shared->heartbeat, 1);
}

static uint64_t offered_features(const struct vm *vm)
{
	return vm->volatile_policy == VOLATILE_OFF ? HOST_FEATURES_NO_VOLATILE : HOST_FEATURES;
}

/*
 * Armed before host_gen is given out: reset.c.
 *
 * Return: when to try again, if it must be: a guest may ask as often as it likes.
 */
static uint64_t examine_and_offer(struct worker *worker)
{
	const struct vm *vm = worker->vm;
	struct lease *lease = &worker->lease;

	if (vm->qmp_path && !vm->nr_map_text &&
	    qemu_read_map(&worker->qmp, vm, worker->pid, &worker->map) != EXIT_OK)
		return MAP_RETRY_NS;
	if (!lease_examine(lease, &worker->table, &worker->map, vm->ram,
			   offered_features(vm))) {
		if (lease->refusal == REFUSED_NOT)
			return LEASE_RETRY_NS;
		shared_add(worker->shared->refusals[lease->refusal], 1);
		memcpy(worker->shared->why, lease->why, sizeof(lease->why));
		if (lease->refusal != REFUSED_MAGIC && lease->refusal != REFUSED_VERSION &&
		    !vm->dry_run)
			lease_announce(&worker->table, offered_features(vm));
		if (may_log(worker))
			log_info(vm->name, "the guest is refused: %s", lease->why);
		return LEASE_RETRY_NS;
	}
	scan_forget(&worker->scan);
	ages_forget(&worker->ages);
	worker->ages.temperatures = lease->features & PAGEHINT_F_TEMPERATURE;
	worker->above_since_ns = 0;
	memcpy(worker->shared->why, lease->why, sizeof(lease->why));
	if (lease->why[0] && may_log(worker))
		log_info(vm->name, "%s", lease->why);
	worker->drop.nr_dropped = 0;
	if (vm->dry_run) {
		lease->state = LEASE_IN_FORCE;
		return LEASE_RETRY_NS;
	}
	if (!reset_arm(worker) || !lease_offer(lease, &worker->table))
		memset(lease, 0, sizeof(*lease));
	return LEASE_RETRY_NS;
}

/* Somebody asks for a lease. */
static void try_lease(struct worker *worker)
{
	uint64_t start = now_ns(), wait, took;

	if (start < worker->next_lease_ns)
		return;
	wait = examine_and_offer(worker);
	took = now_ns() - start;
	if (wait < took * LEASE_CPU_PART)
		wait = took * LEASE_CPU_PART;
	worker->next_lease_ns = now_ns() + wait;
}

static void lease_step(struct worker *worker)
{
	struct lease *lease = &worker->lease;
	uint64_t asked = lease_asked_for(&worker->table);

	if (lease->state != LEASE_NONE && asked != lease->boot_id) {
		uint32_t leaving = table_read(worker->table.header->leaving);

		if (lease->state == LEASE_IN_FORCE && may_log(worker))
			log_info(worker->vm->name, "the guest ended its lease (%s)",
				 asked ? "another guest asks for one" :
				 leaving < ARRAY_SIZE(leaving_names) ?
				 leaving_names[leaving] : "unknown reason");
		lease_withdraw(lease, &worker->table);
	}
	if (lease->state == LEASE_NONE && asked)
		try_lease(worker);
	if ((lease->state == LEASE_OFFERED || lease->state == LEASE_IN_FORCE) &&
	    !worker->vm->dry_run) {
		bool holds = lease_holds(lease, &worker->table);

		if (holds && lease->state == LEASE_OFFERED && may_log(worker))
			log_info(worker->vm->name, "lease in force: %u of %u extents confirmed",
				 lease->nr_confirmed, lease->nr_extents);
		lease->state = holds ? LEASE_IN_FORCE : LEASE_OFFERED;
	}
	shared_set(worker->shared->lease, lease->state);
	shared_set(worker->shared->nr_extents, lease->nr_extents);
	shared_set(worker->shared->nr_confirmed, lease->nr_confirmed);
}

/* Their ages must be known before they are wanted. */
static void look_at_volatile(struct worker *worker, const uint64_t *frames)
{
	bool any = frames[FRAMES_VOLATILE];

	/* Once more when the last has gone */
	if ((any || worker->had_volatile) && worker->lease.state == LEASE_IN_FORCE &&
	    (worker->lease.features & PAGEHINT_F_VOLATILE))
		reclaim_look(worker);
	worker->had_volatile = any;
}

/* What this process has had of a CPU */
static uint64_t cpu_ns(void)
{
	struct timespec cpu;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	return cpu.tv_sec * NSEC_PER_SEC + cpu.tv_nsec;
}

/* A worker that the scheduler keeps from running, as on a busy host */
static void test_stalled_look(void)
{
#ifdef PAGEHINT_TEST_HOOKS
	const char *look_ms = getenv("PAGEHINTD_TEST_LOOK_MS");

	if (look_ms)
		usleep(1000 * strtoul(look_ms, NULL, 10));
#endif
}

/* Its part is of CPU time: what it waited for a CPU cost nothing. */
static void count_frames(struct worker *worker)
{
	uint64_t frames[NR_FRAME_STATES] = { 0 }, start = now_ns(), cpu = cpu_ns();
	unsigned int i;

	if (start < worker->next_histogram_ns)
		return;
	test_stalled_look();

	for (i = 0; i < worker->lease.nr_extents; i++)
		scan_histogram(&worker->table.state[worker->lease.extents[i].first],
			       worker->lease.extents[i].nr_frames, frames);
	for (i = 0; i < NR_FRAME_STATES; i++)
		shared_set(worker->shared->frames[i], frames[i]);
	look_at_volatile(worker, frames);
	worker->next_histogram_ns = start + (cpu_ns() - cpu) * HISTOGRAM_CPU_PART;
}

static void once_a_second(struct worker *worker)
{
	count_frames(worker);
	shared_set(worker->shared->cpu_ns, cpu_ns());
	if (worker->attached)
		worker_pinned(worker);
}

static void reclaim(struct worker *worker)
{
	uint64_t took;
	bool may = worker->lease.state == LEASE_IN_FORCE && !worker->pinned;

	shared_set(worker->shared->pause, worker->pinned ? PAUSE_PINNED :
		   worker->vm->dry_run ? PAUSE_DRY_RUN : PAUSE_NOT);
	if (!may) {
		worker->next_scan_ns = now_ns() + LEASE_POLL_NS;
		return;
	}
	took = reclaim_scan(worker) + reclaim_volatile(worker);
	worker->next_scan_ns = now_ns() +
			       scan_interval(&worker->scan, worker->vm->unused_age_ms, took);
}

static bool vm_ended(const struct worker *worker)
{
	struct pollfd poll_fd = { .fd = worker->pidfd, .events = POLLIN };

	return worker->gone || (worker->pidfd >= 0 && poll(&poll_fd, 1, 0) > 0);
}

static void read_signals(struct worker *worker)
{
	struct signalfd_siginfo info;

	while (read(worker->signal_fd, &info, sizeof(info)) == sizeof(info))
		worker->stopping = true;
}

static void wait_for_something(struct worker *worker)
{
	uint64_t now = now_ns(), until = worker->next_scan_ns;
	struct timespec timeout = { 0 };
	struct pollfd fds[] = {
		{ .fd = worker->signal_fd, .events = POLLIN },
		{ .fd = worker->pidfd, .events = POLLIN },
		{ .fd = worker->qmp.fd, .events = POLLIN },
	};

	/* The guest that asks for or ends a lease is seen soon. */
	if (until > now + LEASE_POLL_NS)
		until = now + LEASE_POLL_NS;
	if (until > now)
		timeout.tv_nsec = until - now;
	ppoll(fds, ARRAY_SIZE(fds), &timeout, NULL);
}

/* One turn. Return: EXIT_OK to go on; stopping and the VM's end are results. */
static enum exit_code turn(struct worker *worker)
{
	const struct vm *vm = worker->vm;
	const char *shrunk = files_shrunk(vm);

	heartbeat(worker);
	read_signals(worker);
	if (!table_intact(&worker->table)) {
		log_info(vm->name, "the table file %s shrank while in use; the VM is given up",
			 vm->table_path);
		return EXIT_FILE_LOST;
	}
	if (shrunk) {
		log_info(vm->name, "the RAM file %s shrank while in use; the VM is given up",
			 shrunk);
		return EXIT_FILE_LOST;
	}
	if (vm_ended(worker)) {
		log_info(vm->name, "process %d ended", (int)worker->pid);
		worker_clear_table(worker);
		return EXIT_DETACHED;
	}
	if (worker->stopping)
		return EXIT_OK;
	if (worker->attached && vm->qmp_path && !qmp_process(&worker->qmp))
		worker_disconnected(worker);
	if (!worker->attached) {
		enum exit_code result = worker_attach(worker);

		if (result != EXIT_OK)
			return result;
	}
	if (worker->attached && worker->events.shutdown)
		reset_handle(worker);
	if (now_ns() >= worker->next_second_ns) {
		worker->next_second_ns = now_ns() + NSEC_PER_SEC;
		once_a_second(worker);
	}
	if (!worker->attached) {
		shared_set(worker->shared->lease, LEASE_NONE);
		shared_set(worker->shared->pause, PAUSE_NO_QEMU);
		command_step(worker);
		worker->next_scan_ns = now_ns() + LEASE_POLL_NS;
		return EXIT_OK;
	}
	lease_step(worker);
	command_step(worker);
	if (now_ns() >= worker->next_scan_ns || worker->lease.state != LEASE_IN_FORCE)
		reclaim(worker);
	return EXIT_OK;
}

/* The first thing of every worker: nobody spins on a dead one's claims. */
static void recover(struct worker *worker)
{
	struct inflight *inflight = &worker->shared->inflight;
	uint64_t recovered = recover_range(&worker->table, inflight->first,
					   inflight->count);

	recovered += recover_header(&worker->table);
	if (inflight->count)
		clear_busy_record(&worker->table);
	table_write_release(inflight->count, 0);
	if (recovered) {
		shared_add(worker->shared->nr_recovered, recovered);
		log_info(worker->vm->name, "recovered %llu frames that a worker left busy",
			 (unsigned long long)recovered);
	}
}

static bool set_up(struct worker *worker)
{
	const struct vm *vm = worker->vm;
	sigset_t mask;

	watch_for_table_lost(vm, &worker->table);
	sigfillset(&mask);
	sigdelset(&mask, SIGBUS);
	sigdelset(&mask, SIGSEGV);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	worker->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (worker->signal_fd < 0 || table_map(&worker->table, vm->table_fd, vm->table_bytes)) {
		log_info(vm->name, "cannot map %s: %s", vm->table_path, strerror(errno));
		return false;
	}
	return true;
}

static bool set_up_drops(struct worker *worker)
{
	const struct vm *vm = worker->vm;

	if (scan_init(&worker->scan, worker->table.nr_frames, vm->unused_age_ms) ||
	    (vm->volatile_policy != VOLATILE_OFF &&
	     ages_init(&worker->ages, worker->table.nr_frames))) {
		log_info(vm->name, "no memory for a byte per frame (%llu)",
			 (unsigned long long)worker->table.nr_frames);
		return false;
	}
	worker->drop.table = &worker->table;
	worker->drop.lease = &worker->lease;
	worker->drop.shared = worker->shared;
	worker->drop.test = vm->test;
	worker->drop.may_go_on = worker_undisturbed;
	worker->drop.context = worker;
	worker->map = vm->map;
	qmp_init(&worker->qmp, vm->name);
	worker->qmp.on_event = reset_on_event;
	worker->qmp.on_wait = heartbeat;
	worker->qmp.context = worker;
#ifndef __SANITIZE_ADDRESS__ /* its shadow is too large to lock */
	/* A page fault between claim and drop would keep the guest waiting. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE) && !shared_get(worker->shared->nr_restarts))
		log_info(vm->name, "warning: cannot lock memory (%s): the guest may wait longer for single pages; raise RLIMIT_MEMLOCK",
			 strerror(errno));
#endif
	return true;
}

/**
 * worker_run - the whole life of a worker process
 * @recover_only: give back what a dead worker claimed, and end
 *
 * Return: its exit code.
 */
int worker_run(const struct vm *vm, struct vm_shared *shared, bool recover_only)
{
	static struct worker worker;
	enum exit_code result;

	worker = (struct worker) {
		.vm = vm, .shared = shared, .pidfd = -1, .signal_fd = -1,
	};
	if (!set_up(&worker))
		return EXIT_INTERNAL;
	if (!vm->dry_run)
		recover(&worker);
	if (recover_only)
		return EXIT_OK;
	if (!set_up_drops(&worker))
		return EXIT_INTERNAL;

	worker_resume(&worker);
	while ((result = turn(&worker)) == EXIT_OK && !worker.stopping)
		wait_for_something(&worker);

	shared_set(shared->lease, LEASE_NONE);
	if (!table_intact(&worker.table))
		return result;
	if (!vm->dry_run) {
		lease_withdraw(&worker.lease, &worker.table);
		clear_busy_record(&worker.table);
	}
	if (result != EXIT_DETACHED)
		reset_leave(&worker);
	qmp_close(&worker.qmp);
	return result;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The supervisor: starts a worker for each VM, watches it, and when it died or
 * hangs has its claims given back and starts another. It holds the locks of the
 * files, and never touches a table itself: a truncated one cannot hurt it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.h"

#define LOOK_EVERY_MS		100
/* Somebody waits for a worker's answer, or has not yet said what it wants. */
#define ANSWER_EVERY_MS		10
/* A guest's CPU may be spinning all that time. */
#define BUSY_LIMIT_NS		NSEC_PER_SEC
/* No sign of life at all; QMP commands are waited for with signs of life. */
#define SILENCE_LIMIT_NS	(60 * NSEC_PER_SEC)
/* A worker that does not last so long is started again only after that. */
#define RESTART_PAUSE_NS	NSEC_PER_SEC
#define STOP_LIMIT_NS		(10 * NSEC_PER_SEC)

enum ward_state { WARD_RUNS, WARD_RECOVERS, WARD_WAITS, WARD_GONE };

/* What the supervisor knows of one worker. */
struct ward {
	enum ward_state state;
	pid_t pid;
	uint64_t started_ns;
	uint64_t start_at_ns;	/* WARD_WAITS */
	uint32_t busy_seq;
	uint64_t busy_since_ns;	/* 0: not busy */
	uint64_t heartbeat;
	uint64_t heartbeat_ns;
	bool killed;
};

struct supervisor {
	struct vm *vm;
	unsigned int nr_vms;
	struct vm_shared *shared[MAX_VMS];
	struct ward ward[MAX_VMS];
	int signal_fd;
	struct control control;
	bool stopping;
	uint64_t stopping_since_ns;
	int result;
};

static void start(struct supervisor *supervisor, unsigned int at, bool recover_only)
{
	struct ward *ward = &supervisor->ward[at];
	pid_t parent = getpid(), pid;
	unsigned int i, j;

	pid = fork();
	if (pid < 0) {
		log_info(supervisor->vm[at].name, "cannot start a worker: %s", strerror(errno));
		ward->state = WARD_WAITS;
		ward->start_at_ns = now_ns() + RESTART_PAUSE_NS;
		return;
	}
	if (!pid) {
		/* Without its supervisor it ends as on a stop, between two ranges. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			raise(SIGTERM);
		close(supervisor->signal_fd);
		control_close(&supervisor->control);
		for (i = 0; i < supervisor->nr_vms; i++) {
			if (i == at)
				continue;
			close(supervisor->vm[i].table_fd);
			for (j = 0; j < supervisor->vm[i].nr_ram; j++)
				close(supervisor->vm[i].ram[j].fd);
		}
		_exit(worker_run(&supervisor->vm[at], supervisor->shared[at], recover_only));
	}
	*ward = (struct ward) {
		.state = recover_only ? WARD_RECOVERS : WARD_RUNS,
		.pid = pid,
		.started_ns = now_ns(),
		.heartbeat_ns = now_ns(),
	};
}

static void give_up(struct supervisor *supervisor, unsigned int at, int code)
{
	supervisor->ward[at].state = WARD_GONE;
	supervisor->control.gone[at] = true;
	shared_set(supervisor->shared[at]->lease, LEASE_NONE);
	if (code != EXIT_OK && !supervisor->result)
		supervisor->result = code;
}

/* The recovery ended: start anew, or that was all. */
static void recovered(struct supervisor *supervisor, unsigned int at, int status)
{
	struct ward *ward = &supervisor->ward[at];

	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FILE_LOST)
		give_up(supervisor, at, EXIT_FILE_LOST);
	else if (supervisor->stopping)
		give_up(supervisor, at, EXIT_OK);
	else
		ward->state = WARD_WAITS;
}

static void worker_ended(struct supervisor *supervisor, unsigned int at, int status,
			 const struct rusage *usage)
{
	struct ward *ward = &supervisor->ward[at];
	struct vm_shared *shared = supervisor->shared[at];
	const char *name = supervisor->vm[at].name;
	uint64_t now = now_ns(), start_at = now;

	shared_set(shared->cpu_ns_dead, shared->cpu_ns_dead +
		   (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * NSEC_PER_SEC +
		   (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000);
	shared_set(shared->cpu_ns, 0);
	control_worker_ended(&supervisor->control, at);

	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DETACHED) {
		give_up(supervisor, at, EXIT_OK);
		return;
	}
	/* Stopped in good order, or a reason that a restart does not mend. */
	if (WIFEXITED(status) && WEXITSTATUS(status) != EXIT_INTERNAL) {
		give_up(supervisor, at, WEXITSTATUS(status));
		return;
	}
	if (WIFSIGNALED(status))
		log_info(name, "the worker %d %s (signal %d)", (int)ward->pid,
			 ward->killed ? "was killed" : "died", WTERMSIG(status));
	if (now - ward->started_ns < RESTART_PAUSE_NS)
		start_at = now + RESTART_PAUSE_NS;
	shared_set(shared->lease, LEASE_NONE);
	shared_set(shared->nr_restarts, shared->nr_restarts + 1);
	start(supervisor, at, true);
	ward->start_at_ns = start_at;
}

static void reap(struct supervisor *supervisor)
{
	unsigned int i;

	for (i = 0; i < supervisor->nr_vms; i++) {
		struct ward *ward = &supervisor->ward[i];
		struct rusage usage;
		int status;

		if ((ward->state != WARD_RUNS && ward->state != WARD_RECOVERS) ||
		    wait4(ward->pid, &status, WNOHANG, &usage) != ward->pid)
			continue;
		if (ward->state == WARD_RECOVERS)
			recovered(supervisor, i, status);
		else
			worker_ended(supervisor, i, status, &usage);
	}
}

static void kill_worker(struct supervisor *supervisor, unsigned int at, const char *why)
{
	struct ward *ward = &supervisor->ward[at];

	if (!ward->killed)
		log_info(supervisor->vm[at].name, "the worker %d %s: it is replaced",
			 (int)ward->pid, why);
	ward->killed = true;
	kill(ward->pid, SIGKILL);
}

/* Tests in which no worker hangs bear with one that the scheduler keeps from running. */
static uint64_t busy_limit_ns(void)
{
#ifdef PAGEHINT_TEST_HOOKS
	const char *busy_ms = getenv("PAGEHINTD_TEST_BUSY_MS");

	if (busy_ms)
		return strtoul(busy_ms, NULL, 10) * NSEC_PER_MSEC;
#endif
	return BUSY_LIMIT_NS;
}

/* By what the worker says privately: the guest cannot reach it. */
static void watch(struct supervisor *supervisor, unsigned int at)
{
	struct ward *ward = &supervisor->ward[at];
	const struct vm_shared *shared = supervisor->shared[at];
	uint32_t count = __atomic_load_n(&shared->inflight.count, __ATOMIC_ACQUIRE);
	uint32_t seq = shared_get(shared->inflight.seq);
	uint64_t beat = shared_get(shared->heartbeat);
	uint64_t now = now_ns();

	if (!count) {
		ward->busy_since_ns = 0;
	} else if (!ward->busy_since_ns || seq != ward->busy_seq) {
		ward->busy_since_ns = now;
		ward->busy_seq = seq;
	} else if (now - ward->busy_since_ns > busy_limit_ns()) {
		kill_worker(supervisor, at, "has had one range busy for more than a second");
	}
	if (beat != ward->heartbeat) {
		ward->heartbeat = beat;
		ward->heartbeat_ns = now;
	} else if (now - ward->heartbeat_ns > SILENCE_LIMIT_NS) {
		kill_worker(supervisor, at, "shows no sign of life");
	}
	if (supervisor->stopping && now - supervisor->stopping_since_ns > STOP_LIMIT_NS)
		kill_worker(supervisor, at, "does not stop");
}

static bool look_at_all(struct supervisor *supervisor)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < supervisor->nr_vms; i++) {
		struct ward *ward = &supervisor->ward[i];

		if (ward->state == WARD_WAITS) {
			if (supervisor->stopping)
				give_up(supervisor, i, EXIT_OK);
			else if (now_ns() >= ward->start_at_ns)
				start(supervisor, i, false);
		}
		if (ward->state == WARD_RUNS)
			watch(supervisor, i);
		any |= ward->state != WARD_GONE;
	}
	return any;
}

static void stop(struct supervisor *supervisor)
{
	unsigned int i;

	if (supervisor->stopping)
		return;
	supervisor->stopping = true;
	supervisor->stopping_since_ns = now_ns();
	for (i = 0; i < supervisor->nr_vms; i++) {
		if (supervisor->ward[i].state == WARD_RUNS)
			kill(supervisor->ward[i].pid, SIGTERM);
	}
}

static void read_signals(struct supervisor *supervisor)
{
	struct signalfd_siginfo info;

	while (read(supervisor->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			status_to_stderr(supervisor->vm, supervisor->shared,
					 supervisor->nr_vms);
		else if (info.ssi_signo != SIGCHLD)
			stop(supervisor);
	}
}

static bool set_up(struct supervisor *supervisor)
{
	unsigned int i;
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	supervisor->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (supervisor->signal_fd < 0)
		return false;
	for (i = 0; i < supervisor->nr_vms; i++) {
		void *memory = mmap(NULL, sizeof(struct vm_shared), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			return false;
		supervisor->shared[i] = memory;
		supervisor->ward[i].state = WARD_WAITS;
	}
	return true;
}

/**
 * supervise - run until all VMs are gone or somebody says stop
 *
 * Return: the daemon's exit code.
 */
int supervise(struct vm *vm, unsigned int nr_vms, const char *control)
{
	static struct supervisor supervisor;

	supervisor.vm = vm;
	supervisor.nr_vms = nr_vms;
	supervisor.control.vm = vm;
	supervisor.control.nr_vms = nr_vms;
	supervisor.control.shared = supervisor.shared;
	if (!control_open(&supervisor.control, control))
		return EXIT_FILE;
	if (!set_up(&supervisor)) {
		log_info(NULL, "cannot set up: %s", strerror(errno));
		return EXIT_INTERNAL;
	}
	while (look_at_all(&supervisor)) {
		struct pollfd fds[CONTROL_POLL_FDS + 1];

		control_poll(&supervisor.control, fds);
		fds[CONTROL_POLL_FDS] = (struct pollfd) {
			.fd = supervisor.signal_fd, .events = POLLIN,
		};
		poll(fds, ARRAY_SIZE(fds), control_is_open(&supervisor.control) ?
		     ANSWER_EVERY_MS : LOOK_EVERY_MS);
		read_signals(&supervisor);
		reap(&supervisor);
		control_step(&supervisor.control);
	}
	control_step(&supervisor.control);
	control_close(&supervisor.control);
	if (control)
		unlink(control);
	return supervisor.result;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Many vCPUs at once: the host's module goes and comes back under their calls,
 * reclaim takes from them, VMs end while work on them is under way.
 */
#define _GNU_SOURCE
#include <pagehint.h>

#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests.h"

#define GPA	(256 * MIB)
#define BYTES	(4 * MIB)
#define NR	4
#define PART	(BYTES / NR)

#define RANGES		16	/* of a vCPU, each for volatile and then for unused pages */
#define RANGE_PAGES	(PART / RANGES / PAGE_BYTES / 2)

/*
 * Each vCPU has its part of memory and goes in circles: volatile, stable, checked;
 * unused, written, checked. It queries now and then, so it takes up again after
 * the module was away; answers in between are errors.
 */
static void set_orders(struct vcpu *vcpu, unsigned int i)
{
	uint64_t gpa = GPA + i * PART, answer = vcpu->entries_gpa + PAGE_BYTES / 2;

	if (!i)
		vcpu_order(vcpu, ORDER_CALL, PAGEHINT_HYPERCALL, PAGEHINT_HC_QUERY, answer, 0, 0);
	answer = vcpu->machine->vcpus[0].entries_gpa + PAGE_BYTES / 2;
	for (unsigned int j = 0; j < 8; j++) {
		vcpu_order(vcpu, ORDER_TAKE_COOKIE, answer, 0, 0, 0, 0);
		vcpu_order(vcpu, ORDER_CYCLE, gpa + j * PART / 8, 8, i, 0, 0);
		vcpu_order(vcpu, ORDER_UNUSED, gpa + j * PART / 8 + PART / 16, 8, i, 0, 0);
	}
}

/*
 * Half of all memory is volatile for half of the time, under one cookie: whatever is
 * discarded was dropped.
 */
static void set_storm(struct vcpu *vcpu, unsigned int i)
{
	static const enum what all[] = { ORDER_HINT, ORDER_UNUSED, ORDER_TAKE_BACK };
	const uint64_t gpa = GPA + i * PART, pages = 2 * RANGE_PAGES;

	for (unsigned int j = 0; j < 3; j++) {
		for (unsigned int k = 0; k < RANGES; k++) {
			uint64_t at = gpa + k * pages * PAGE_BYTES;

			if (all[j] == ORDER_UNUSED)
				at += RANGE_PAGES * PAGE_BYTES;
			vcpu_order(vcpu, all[j], at, RANGE_PAGES, i, 0, 0);
		}
	}
}

struct load {
	struct machine machine;
	uint8_t *memory;
};

static void open_load(struct load *load)
{
	load->memory = anonymous(BYTES);
	machine_open(&load->machine, NR);
	machine_slot(&load->machine, 1, GPA, load->memory, BYTES, 0);
}

static void start(struct load *load)
{
	open_load(load);
	for (unsigned int i = 0; i < NR; i++) {
		set_orders(&load->machine.vcpus[i], i);
		vcpu_start(&load->machine.vcpus[i]);
	}
}

static void stop(struct load *load, uint64_t *kept, uint64_t *discarded)
{
	for (unsigned int i = 0; i < NR; i++) {
		struct orders *orders = load->machine.vcpus[i].orders;

		vcpu_stop(&load->machine.vcpus[i]);
		*kept += orders->kept;
		*discarded += orders->discarded;
		for (unsigned int j = 0; j < MAX_ORDERS && orders->order[j].what; j++) {
			const struct order *order = &orders->order[j];

			/* These count; the others leave an answer of KVM there. */
			if (order->what == ORDER_CYCLE || order->what == ORDER_UNUSED ||
			    order->what == ORDER_TAKE_BACK)
				check(!order->answer, "vCPU %u, order %u: %llu words wrong", i, j,
				      (unsigned long long)order->answer);
		}
	}
	machine_close(&load->machine);
	munmap(load->memory, BYTES);
}

/* Has it had so many of both answers by now? It may go on for so long until it has. */
#define PATIENCE_S	100

static bool has_seen(const struct load *load, uint64_t least)
{
	uint64_t kept = 0, discarded = 0;

	for (unsigned int i = 0; i < NR; i++) {
		const volatile struct orders *orders = load->machine.vcpus[i].orders;

		kept += orders->kept;
		discarded += orders->discarded;
	}
	return kept >= least && discarded >= least;
}

void test_unload(unsigned int scale)
{
	const double deadline = now() + PATIENCE_S;
	uint64_t kept = 0, discarded = 0;
	unsigned int rounds = 5 * scale, i;
	struct load load;

	start(&load);
	for (i = 0; i < rounds || (!has_seen(&load, 1) && now() < deadline); i++) {
		uint64_t done = load.machine.vcpus[0].orders->done;

		/* At another moment of the calls each time */
		usleep(i * 7919 % 50000);
		module_unload();
		module_load("");
		vcpu_wait_rounds(&load.machine.vcpus[0], done + 2);
	}
	stop(&load, &kept, &discarded);
	printf("loaded %u times under %u vCPUs: %llu times kept, %llu discarded, no word wrong\n",
	       i, NR, (unsigned long long)kept, (unsigned long long)discarded);
	check(kept && discarded, "not all answers were seen");
}

static bool has_stormed(const struct load *load)
{
	return has_seen(load, 100) && counter("nr_dropped_volatile") >= 1000;
}

/* Reclaim in the middle of it all: with the test build it asks for so many, and at once. */
void test_storm(unsigned int scale)
{
	const double end = now() + 20 * scale, deadline = end + PATIENCE_S;
	uint64_t kept = 0, discarded = 0, dropped, cookie, nr = 0;
	struct load load;

	module_unload();
	module_load_test("");
	open_load(&load);
	cookie = call_cookie(&load.machine.vcpus[0]);
	for (unsigned int i = 0; i < NR; i++) {
		load.machine.vcpus[i].orders->cookie = cookie;
		set_storm(&load.machine.vcpus[i], i);
		vcpu_start(&load.machine.vcpus[i]);
	}
	while (now() < end || (now() < deadline && !has_stormed(&load))) {
		set_parameter("ask", "64");
		usleep(1000);
		nr++;
	}
	dropped = counter("nr_dropped_volatile");
	for (unsigned int i = 0; i < NR; i++)
		check(!load.machine.vcpus[i].orders->errors, "vCPU %u: %llu calls failed", i,
		      (unsigned long long)load.machine.vcpus[i].orders->errors);
	stop(&load, &kept, &discarded);
	printf("%u vCPUs, asked for 64 frames %llu times: %llu dropped, ", NR,
	       (unsigned long long)nr, (unsigned long long)dropped);
	printf("%llu ranges kept, %llu discarded, no word wrong\n",
	       (unsigned long long)kept, (unsigned long long)discarded);
	check(dropped >= 1000 && kept >= 100 && discarded >= 100, "too little was seen");
	module_unload();
	module_load("");
}

#define READERS_LOCK	"/tmp/readers"

static int readers_lock(void)
{
	int fd = open(READERS_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	check(fd >= 0, READERS_LOCK ": %m");
	return fd;
}

/*
 * Of each VM that there is. A file that is open holds the module: it is not unloaded then,
 * and so the unload of the test waits for the end of a round.
 */
static void read_statistics(void)
{
	int lock = readers_lock();

	for (;;) {
		char text[4096];
		glob_t files;

		check(!flock(lock, LOCK_SH), "flock: %m");
		if (!glob("/sys/kernel/debug/pagehint_kvm/*/*", 0, NULL, &files)) {
			for (size_t i = 0; i < files.gl_pathc; i++) {
				int fd = open(files.gl_pathv[i], O_RDONLY | O_CLOEXEC);

				/* Its VM may end before, and meanwhile. */
				while (fd >= 0 && read(fd, text, sizeof(text)) > 0)
					;
				if (fd >= 0)
					close(fd);
			}
			globfree(&files);
		}
		check(!flock(lock, LOCK_UN), "flock: %m");
		usleep(1000);
	}
}

static void unload_without_readers(int lock)
{
	check(!flock(lock, LOCK_EX), "flock: %m");
	module_unload();
	check(!flock(lock, LOCK_UN), "flock: %m");
}

/* VMs that end while their memory is being dropped, and while statistics are read */
void test_destroy(unsigned int scale)
{
	uint64_t kept = 0, discarded = 0;
	unsigned int rounds = 10 * scale;
	int lock = readers_lock();
	pid_t reader;

	reader = fork();
	check(reader >= 0, "fork: %m");
	if (!reader) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		read_statistics();
	}
	for (unsigned int i = 0; i < rounds; i++) {
		struct load load;

		start(&load);
		for (unsigned int j = 0; j < 3; j++)
			reclaim_slab();
		stop(&load, &kept, &discarded);
		/* Now and then unload meets the end of a VM. */
		if (i % 3 == 2) {
			unload_without_readers(lock);
			module_load("");
		}
	}
	kill_child(reader);
	close(lock);
	printf("%u VMs ended under reclaim and readers of statistics\n", rounds);
}
